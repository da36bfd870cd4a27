"""The file that TOLLGATE_NOTIFY names (TOML): whom the notifier delivers to.

[email]
host = "smtp.example.com"
port = 587
tls = "starttls"                    # or "tls"; "none" to loopback alone
user = "tollgate"
password_file = "smtp-password"     # relative to this file
from = "Acme Voice <billing@acme.example>"
reply_to = "support@acme.example"
operator = "ops@acme.example"
types = ["invoice-issued", "receipt-issued"]   # left out: everything that a mail is made of

[brand]
name = "Acme Voice"                 # what is left out comes from TOLLGATE_ISSUER

[[webhook]]
name = "crm"
url = "https://crm.example/hooks/tollgate"
secret = ["whsec_…", "whsec_…"]     # one, or at most three during a rotation
types = ["call-charged", "refill-*"]
accounts = ["acme-*"]               # left out: every account

[[apprise]]
name = "on-call"
url = "slack://…"
types = ["*"]
audience = "operator"
"""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agents.notifier.event_types import MAILED_TYPES, TOPIC_OF, matching
from agents.notifier.file_checks import wrong_in_apprise, wrong_in_email, wrong_in_webhook
from agents.notifier.tables import Apprise, Brand, Email, NotifyFile, Table, Webhook
from stream import log
from stream.fail_stop import PersonNeededError

logger = log.get("notifier")

# A change is used when two looks have found it.
LOOK_EVERY_S = 0.4
# The mails are a target too, and its name is fixed.
EMAIL = "email"
KEYS = ("email", "brand", "webhook", "apprise")

AnyTable = TypeVar("AnyTable", bound=Table)


class NotifyFileError(PersonNeededError):
    """The file cannot be used. The message names the file, the table, the key and the remedy, and shows no value that
    may be secret.
    """


def read_file(content: bytes, path: Path) -> NotifyFile:
    """The file with this content; paths in it are relative to its folder. Raises NotifyFileError."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotifyFileError(f"{path}: not TOML: {error}") from None
    unknown = sorted(document.keys() - set(KEYS))
    if unknown:
        raise NotifyFileError(
            f"{path}: {unknown[0]}: no such table; there are [email], [brand], [[webhook]], [[apprise]]"
        )
    reader = _Reader(document, path)
    email = reader.one("email", Email) if "email" in document else None
    found = NotifyFile(
        email=email,
        brand=reader.one("brand", Brand),
        webhook=reader.many("webhook", Webhook),
        apprise=reader.many("apprise", Apprise),
    )
    _check(found, path)
    return found


class _Reader:
    """Turns the tables of a document into values."""

    def __init__(self, document: Mapping[str, Any], path: Path) -> None:
        self._document, self._path = document, path

    def one(self, key: str, kind: type[AnyTable]) -> AnyTable:
        return self._convert(self._document.get(key, {}), kind, f"[{key}]")

    def many(self, key: str, kind: type[AnyTable]) -> tuple[AnyTable, ...]:
        given = self._document.get(key, [])
        if not isinstance(given, list):
            raise NotifyFileError(f"{self._path}: {key}: write [[{key}]], one table for each")
        return tuple(self._convert(one, kind, _label(key, one, number)) for number, one in enumerate(given, 1))

    def _convert(self, table: object, kind: type[AnyTable], label: str) -> AnyTable:
        known = [field.encode_name for field in msgspec.structs.fields(kind)]
        if isinstance(table, dict) and (unknown := sorted(table.keys() - set(known))):
            raise NotifyFileError(f"{self._path}: {label}: {unknown[0]}: no such key; there are {', '.join(known)}")
        try:
            return msgspec.convert(table, kind, dec_hook=self._path_of)
        except msgspec.ValidationError as error:
            raise NotifyFileError(f"{self._path}: {label}: {str(error).replace('`$.', '`')}") from None

    def _path_of(self, kind: type, given: object) -> Path:
        if kind is not Path or not isinstance(given, str) or not given:
            raise ValueError("Expected the path of a file")
        return self._path.parent / given


def _label(key: str, table: object, number: int) -> str:
    name = table.get("name") if isinstance(table, dict) else None
    shown = repr(name) if isinstance(name, str) and len(name) <= 64 else f"number {number}"
    return f"[[{key}]] {shown}"


def _check(found: NotifyFile, path: Path) -> None:
    names = {EMAIL}
    for webhook in found.webhook:
        label = f"{path}: [[webhook]] {webhook.name!r}"
        _check_target(webhook, names, label, wrong_in_webhook(webhook))
    for channel in found.apprise:
        label = f"{path}: [[apprise]] {channel.name!r}"
        _check_target(channel, names, label, wrong_in_apprise(channel))
    if found.email is not None:
        label = f"{path}: [email]"
        _check_types(found.email.types or (), label)
        if wrong := wrong_in_email(found.email):
            raise NotifyFileError(f"{label}: {wrong}")


def _check_target(one: Webhook | Apprise, names: set[str], label: str, wrong: str) -> None:
    """Add the name of the target to `names`; `wrong` is what else is wrong in its table."""
    if one.name in names:
        raise NotifyFileError(f"{label}: name: another target has this name, or it is {EMAIL!r}: choose another")
    names.add(one.name)
    _check_types(one.types, label)
    if wrong:
        raise NotifyFileError(f"{label}: {wrong}")


def _check_types(types: tuple[str, ...], label: str) -> None:
    for one in types:
        if not matching(one):
            raise NotifyFileError(
                f"{label}: types: {one[:64]!r}: no topic carries this type; there are {', '.join(TOPIC_OF)}"
            )


def _warn_of_types_without_mail(found: NotifyFile) -> None:
    """These are types of events, so the file is usable, and their events reach nobody by mail."""
    asked = () if found.email is None else found.email.types or ()
    if without := [one for one in asked if not matching(one) & MAILED_TYPES]:
        logger.warning("[email]: types: some of these make no mail", types=without, mailed=sorted(MAILED_TYPES))


class FollowedFile:
    """The file in force. One that becomes unusable leaves the former in force; `on_read` is given whether the file was
    usable, each time that it changed.
    """

    def __init__(self, path: Path, on_read: Callable[[bool], object]) -> None:
        """Read the file. Raises NotifyFileError."""
        self._path, self._on_read = path, on_read
        try:
            self._content = self._read()
            self.current = read_file(self._content, path)
        except NotifyFileError as error:
            raise NotifyFileError(f"TOLLGATE_NOTIFY: {error}") from None
        self._failed, self._seen = "", self._content
        _warn_of_types_without_mail(self.current)
        on_read(True)

    async def follow(self, use: Callable[[NotifyFile], Awaitable[object]]) -> None:
        """Read the file again whenever it changes, and pass it to `use`, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look(use)

    async def look(self, use: Callable[[NotifyFile], Awaitable[object]]) -> None:
        """Read the file, and pass it to `use` when it has changed and is as it was at the look before: a file that is
        being written may be empty or end early, and what waits for a target that it lacks would be dropped. What `use`
        refuses with PersonNeededError is an unusable file.
        """
        try:
            content = await asyncio.to_thread(self._read)
            seen, self._seen = self._seen, content
            if content == seen and (self._failed or content != self._content):
                await self._use(content, read_file(content, self._path), use)
        except PersonNeededError as error:
            self._fail(error)

    async def _use(self, content: bytes, found: NotifyFile, use: Callable[[NotifyFile], Awaitable[object]]) -> None:
        if found != self.current:
            await use(found)
        self._content, self.current, self._failed = content, found, ""
        self._on_read(True)
        _warn_of_types_without_mail(found)
        logger.info("the file of targets was read again", targets=targets_of(found))

    def _fail(self, error: PersonNeededError) -> None:
        """Report a failure once, not at every look."""
        if str(error) != self._failed:
            self._failed = str(error)
            self._on_read(False)
            logger.error("the file of targets is unusable: the former stays in force", reason=str(error))

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise NotifyFileError(f"{self._path}: cannot be read: {error.strerror}") from None


def targets_of(found: NotifyFile) -> list[str]:
    """The names of the targets, sorted."""
    names = [one.name for one in found.webhook] + [one.name for one in found.apprise]
    return sorted([*names, EMAIL] if found.email is not None else names)
