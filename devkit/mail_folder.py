"""A mail server on the loopback interface that writes each mail to a file, for trials. It delivers nothing.

Needs `aiosmtpd`, which is among the development dependencies.
"""

import re
from email import message_from_bytes, policy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from devkit.kafka_jars import DevkitError
from devkit.server import HOST, free_port

LIBRARY = "aiosmtpd"
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@-]+", re.ASCII)
_NAME_MAX = 80


class MailFolder:
    """Writes mails to `folder` as `0001-RECIPIENT-SUBJECT.eml`, in the order of their arrival, while the context lasts.
    Mails that are there already stay. `port` is a free one when it is None.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._controller: Any = None

    def __enter__(self) -> Self:
        """Return once the server takes mails. Raises DevkitError."""
        if find_spec(LIBRARY) is None:
            raise DevkitError(f"the mail folder needs the library {LIBRARY}: install the development dependencies")
        self.folder.mkdir(parents=True, exist_ok=True)
        # Imported here: the library is not part of an installation.
        make = import_module(f"{LIBRARY}.controller").Controller
        controller = make(_Writer(self.folder), hostname=HOST, port=self.port, enable_SMTPUTF8=True)
        try:
            controller.start()
        except OSError as error:
            raise DevkitError(f"no mail server on {HOST}:{self.port}: {error.strerror}") from None
        self._controller = controller
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class _Writer:
    """The hook of aiosmtpd for a mail that has arrived."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        numbers = (path.name.partition("-")[0] for path in folder.glob("*.eml"))
        self._last = max((int(number) for number in numbers if number.isdigit()), default=0)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 the library's name
        self._last += 1
        subject = message_from_bytes(envelope.content, policy=policy.default)["Subject"]
        name = _UNSAFE.sub("-", f"{envelope.rcpt_tos[0]}-{subject or ''}")[:_NAME_MAX].strip("-.")
        path = self._folder / f"{self._last:04}-{name}.eml"
        # A reader never sees half a mail.
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(envelope.content)
        unfinished.rename(path)
        return "250 Message written to a file"
