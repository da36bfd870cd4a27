"""What the engine publishes about one input, gathered while somebody waits for its outcome."""

import asyncio
from types import TracebackType
from typing import Self

import msgspec

from agents.views.layout import SNAPSHOTS
from agents.wallet.dead_letter import OURS
from gateway.log.reader import TOPICS, LogReader, Seen
from gateway.log.writer import Address
from stream.topics import DEAD_LETTERS

ACCEPTED = "accepted"


class Refusal(msgspec.Struct, frozen=True):
    """Why the engine refused an input, in the words of its dead letter."""

    code: str
    message: str


class _Fact(msgspec.Struct, frozen=True, gc=False):
    type: str
    id: str | None
    caused_by: str | None = None
    reason: str | None = None


class _Snapshot(msgspec.Struct, frozen=True, gc=False):
    version: int


_fact = msgspec.json.Decoder(_Fact).decode
_snapshot = msgspec.json.Decoder(_Snapshot).decode
_TOPIC_ORDER = {topic: place for place, topic in enumerate(TOPICS)}


def version_of(snapshot: bytes) -> int:
    return _snapshot(snapshot).version


class Trace:
    """Listens from its creation, which must come before the write, until it is left."""

    def __init__(self, reader: LogReader, account_id: str, input_id: str) -> None:
        self._input_id = input_id
        self._mark = input_id.encode()
        self._changed = asyncio.Event()
        self._address: Address | None = None
        self._accepted: dict[Address, bytes] = {}
        self._refused: dict[Address, Refusal] = {}
        self._facts: dict[tuple[str, str | None], tuple[tuple[int, int], bytes]] = {}
        self._redirected_as = ""
        self._snapshot: bytes | None = None
        self._watch = reader.watch(account_id, self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watch.close()

    def written(self, address: Address) -> None:
        """Where the input is. From now on only what concerns this address is kept."""
        self._address = address
        self._accepted = {at: value for at, value in self._accepted.items() if at == address}
        self._refused = {at: refusal for at, refusal in self._refused.items() if at == address}

    @property
    def accepted_version(self) -> int | None:
        """The account's version after the input took effect, None unless it was seen to."""
        snapshot = self._accepted.get(self._address) if self._address is not None else None
        return None if snapshot is None else version_of(snapshot)

    @property
    def refusal(self) -> Refusal | None:
        """Why the input was refused, None unless it was seen to be."""
        return self._refused.get(self._address) if self._address is not None else None

    @property
    def redirected_as(self) -> str:
        """The reason of a redirect that the input caused, empty without one."""
        return self._redirected_as

    @property
    def version(self) -> int | None:
        """The account's newest version seen, None when none was."""
        return None if self._snapshot is None else version_of(self._snapshot)

    def facts(self) -> list[bytes]:
        """The events that the input caused, in the order of the contract's topics, then of the log. Each is there once,
        whatever topics it is on.
        """
        return [value for _, value in sorted(self._facts.values())]

    async def changed(self, within_s: float) -> None:
        """Wait until something new was seen, or for `within_s`."""
        self._changed.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _hear(self, seen: Seen) -> None:
        if seen.topic == SNAPSHOTS:
            self._hear_snapshot(seen)
        elif seen.topic == DEAD_LETTERS:
            self._hear_letter(seen)
        elif seen.value is not None and self._mark in seen.value:
            self._hear_fact(seen, seen.value)

    def _hear_snapshot(self, seen: Seen) -> None:
        if seen.value is None:
            return
        self._snapshot = seen.value
        for offset in (dict(seen.headers).get(ACCEPTED) or b"").split(b","):
            address = Address(seen.partition, int(offset)) if offset else None
            if address is not None and self._address in {None, address}:
                self._accepted[address] = seen.value
                self._changed.set()

    def _hear_letter(self, seen: Seen) -> None:
        headers = {name.removeprefix(OURS): text for name, text in seen.headers if name.startswith(OURS)}
        address = Address(int(headers["partition"]), int(headers["offset"]))
        if self._address in {None, address}:
            code, message = headers["code"].decode(), headers["message"].decode("utf-8", "replace")
            self._refused[address] = Refusal(code, message)
            self._changed.set()

    def _hear_fact(self, seen: Seen, value: bytes) -> None:
        fact = _fact(value)
        if fact.caused_by != self._input_id:
            return
        place = (_TOPIC_ORDER[seen.topic], seen.offset)
        self._facts[fact.type, fact.id] = min(self._facts.get((fact.type, fact.id), (place, value)), (place, value))
        if fact.type == "call-redirected":
            self._redirected_as = fact.reason or ""
        self._changed.set()
