"""The file of keys (TOML): read at start and again when it changes.

[[key]]
id = "telephony"
sha256 = "…"                      # of the whole key text, in hexadecimal
scopes = ["calls"]
accounts = ["acme-*", "acct-7f3"] # left out: every account
requests_per_s = 500
expires_at = 2027-01-01T00:00:00Z
disabled = false
"""

import asyncio
import hashlib
import time
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.http.keys import Key
from gateway.http.scopes import ALL
from stream import log
from stream.fail_stop import PersonNeededError

logger = log.get("gateway")

REQUESTS_PER_S = 100
# Changes hold within 2 s.
LOOK_EVERY_S = 0.5
PRESENTED_MAX = 256

_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:+@-]{1,128}\Z")]
_Account = Annotated[str, Meta(pattern=r"^([A-Za-z0-9._:+@-]{1,128}|[A-Za-z0-9._:+@-]{0,128}\*)\Z")]


class KeyFileError(PersonNeededError):
    """The file of keys cannot be used. The message names the file, the key and what is wrong, and no hash."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: _Id
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scopes: Annotated[tuple[str, ...], Meta(min_length=1)]
    accounts: tuple[_Account, ...] | None = None
    requests_per_s: Annotated[int, Meta(ge=1, le=1_000_000)] = REQUESTS_PER_S
    expires_at: datetime | None = None
    disabled: bool = False


def read_keys(content: bytes, path: Path) -> dict[str, Key]:
    """The keys in the content of a file that are not disabled, by their hash. Raises KeyFileError."""
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: not TOML: {error}") from None
    unknown = sorted(table.keys() - {"key"})
    given = table.get("key", [])
    if unknown or not isinstance(given, list):
        raise KeyFileError(f"{path}: {unknown[0] if unknown else 'key'}: write one [[key]] table for each key")
    found: dict[str, Key] = {}
    ids: set[str] = set()
    for number, one in enumerate(given, 1):
        entry = _entry(one, number, path)
        if entry.id in ids:
            raise KeyFileError(f"{path}: two keys have the id {entry.id!r}: give each its own")
        if entry.sha256 in found:
            raise KeyFileError(f"{path}: key {entry.id!r}: another key has the same sha256")
        ids.add(entry.id)
        if not entry.disabled:
            found[entry.sha256] = _key(entry, path)
    return found


def _entry(table: object, number: int, path: Path) -> _Entry:
    name = table.get("id") if isinstance(table, dict) else None
    shown = repr(name) if isinstance(name, str) and len(name) <= 128 else f"number {number}"
    if isinstance(table, dict) and (unknown := sorted(table.keys() - set(_Entry.__struct_fields__))):
        known = ", ".join(_Entry.__struct_fields__)
        raise KeyFileError(f"{path}: key {shown}: {unknown[0]}: no such field; there are {known}")
    try:
        entry = msgspec.convert(table, _Entry)
    except msgspec.ValidationError as error:
        raise KeyFileError(f"{path}: key {shown}: {str(error).replace('`$.', '`')}") from None
    for scope in entry.scopes:
        if scope not in ALL:
            raise KeyFileError(f"{path}: key {shown}: {scope}: no such scope; there are {', '.join(sorted(ALL))}")
    return entry


def _key(entry: _Entry, path: Path) -> Key:
    expires_at_ms = None
    if entry.expires_at is not None:
        if entry.expires_at.tzinfo is None:
            raise KeyFileError(f"{path}: key {entry.id!r}: expires_at needs an offset, such as 2027-01-01T00:00:00Z")
        expires_at_ms = int(entry.expires_at.timestamp() * 1_000)
    return Key(entry.id, entry.sha256, frozenset(entry.scopes), entry.accounts, entry.requests_per_s, expires_at_ms)


class KeyRing:
    """The keys in force. A file that becomes unusable leaves the former keys in force; `on_read` is given whether the
    file was usable, each time that it changed.
    """

    def __init__(self, path: Path, on_read: Callable[[bool], object]) -> None:
        self._path, self._on_read = path, on_read
        self._content = self._read()
        self._keys: Mapping[str, Key] = read_keys(self._content, path)
        self._changed = asyncio.Event()
        self._failed = ""
        on_read(True)

    def find(self, presented: str) -> Key | None:
        """The valid key whose text was presented."""
        if len(presented) > PRESENTED_MAX:
            return None
        key = self._keys.get(hashlib.sha256(presented.encode("utf-8", "surrogateescape")).hexdigest())
        return key if key is not None and self.valid(key) else None

    def valid(self, key: Key) -> bool:
        """Whether the key is in the file as it is here, and has not expired."""
        return self._keys.get(key.sha256) == key and _holds(key)

    def named(self, key_id: str) -> Key | None:
        """The valid key of this id, for what outlives the request that the key made."""
        return next((key for key in self._keys.values() if key.id == key_id and self.valid(key)), None)

    async def ended(self, key: Key) -> None:
        """Return once the key is removed, disabled or expired, or may do something else than before: streams end then,
        and may be opened again with what it still may do. Its rate and a later end change nothing for them.
        """
        while (now := self._keys.get(key.sha256)) is not None and now.rights == key.rights and _holds(now):
            left_s = None if now.expires_at_ms is None else max(0.0, (now.expires_at_ms - _now_ms()) / 1_000)
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait((changed,), timeout=left_s)
            finally:
                changed.cancel()

    async def follow(self) -> None:
        """Read the file again whenever it changes, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                content = await asyncio.to_thread(self._read)
                keys = self._keys if content == self._content else read_keys(content, self._path)
            except KeyFileError as error:
                self._fail(error)
                continue
            if self._failed or content != self._content:
                self._use(content, keys)

    def _use(self, content: bytes, keys: Mapping[str, Key]) -> None:
        self._content, self._keys, self._failed = content, keys, ""
        self._on_read(True)
        logger.info("keys read again", keys=len(keys))
        self._changed.set()
        self._changed = asyncio.Event()

    def _fail(self, error: KeyFileError) -> None:
        """Count a failure once, not at every look."""
        if str(error) != self._failed:
            self._failed = str(error)
            self._on_read(False)
            logger.error("the file of keys is unusable: the former keys stay in force", reason=str(error))

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise KeyFileError(f"{self._path}: cannot be read: {error.strerror}") from None


def _holds(key: Key) -> bool:
    """Whether the key has not expired."""
    return key.expires_at_ms is None or _now_ms() < key.expires_at_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
