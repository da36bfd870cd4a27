"""The folder of `tollgate up`: what it keeps between two runs."""

import fcntl
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from devkit.kafka_jars import DevkitError
from gateway.http.new_key import add_key

SIGNING_KEY_BYTES = 32
PRIVATE = 0o600
FOR_OWNER_ALONE = 0o700


@dataclass(frozen=True, slots=True)
class Data:
    """`lock` is held while it is in use. `api_key` is a key of every scope, and is in the file `keys`."""

    folder: Path
    lock: TextIO
    signing_key: str
    api_key: str

    @classmethod
    def opened(cls, folder: Path, *, fresh: bool) -> Self:
        """The data of the last run, or with `fresh`, or when that did not get as far as a played month, new data.

        Raises DevkitError when another run uses the folder, and OSError.
        """
        folder.mkdir(mode=FOR_OWNER_ALONE, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DevkitError(f"Another `tollgate up` uses {folder}: stop it, or give another --data") from None
        if fresh or not _played(folder).exists():
            _empty(folder)
        signing_key, api_key = _secrets(folder)
        return cls(folder, lock, signing_key, api_key)

    @property
    def keys(self) -> Path:
        return _keys(self.folder)

    @property
    def mails(self) -> Path:
        return self.folder / "mails"

    @property
    def played(self) -> bool:
        """Whether the month has been played."""
        return _played(self.folder).exists()

    def note_played(self) -> None:
        _played(self.folder).touch()

    def write(self, name: str, text: str) -> Path:
        """A file that only its owner may read."""
        path = self.folder / name
        path.touch(PRIVATE)
        path.write_text(text, encoding="utf-8")
        return path


def _secrets(folder: Path) -> tuple[str, str]:
    kept = folder / "secrets.json"
    if not kept.exists():
        _, api_key = add_key(_keys(folder), ["admin"], key_id="demo")
        kept.touch(PRIVATE)
        kept.write_text(json.dumps([secrets.token_hex(SIGNING_KEY_BYTES), api_key]), encoding="utf-8")
    signing_key, api_key = json.loads(kept.read_text(encoding="utf-8"))
    return signing_key, api_key


def _played(folder: Path) -> Path:
    return folder / "month-played"


def _keys(folder: Path) -> Path:
    return folder / "api-keys.toml"


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == "lock":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
