"""One open stream: what waits to be sent, and how far its reader is."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gateway.streams import place
from gateway.streams.frame import PING, SNAPSHOT, Frame
from gateway.streams.place import Place

PING_EVERY_S = 15.0
BEHIND_BYTES_MAX = 1 << 20
# What is handed to the connection at a time.
PIECE_BYTES = 1 << 16
# Why a stream ends.
CLIENT, SLOW, KEY, SESSION, STOP = "client", "slow", "key", "session", "stop"
WHYS = (CLIENT, SLOW, KEY, SESSION, STOP)


class Stream:
    """The events of one account to one reader. It takes events from its beginning on and sends them once it is placed.

    What waits is shared with the other streams of the account: only the ids are the stream's own. The reader of an
    `owner` stream does not get the alerts to the operator.
    """

    __slots__ = (
        *("_abort", "_bytes", "_checksum", "_forget", "_frames", "_ping", "_sending", "_version", "_wake"),
        *("account_id", "ended", "owner", "place", "types"),
    )

    def __init__(
        self, account_id: str, types: frozenset[str], forget: Callable[["Stream"], None], *, owner: bool = False
    ) -> None:
        self.account_id, self.types, self.owner = account_id, types, owner
        self.place: Place = [place.NONE] * len(place.TOPICS)
        self.ended = ""
        self._checksum, self._forget = place.checksum_of(account_id), forget
        self._frames = deque[Frame | None]()  # None is a ping.
        self._bytes = 0
        self._version = -1
        self._wake: asyncio.Future[None] | None = None
        self._sending = False
        self._abort: Callable[[], None] | None = None
        self._ping: asyncio.TimerHandle | None = None

    def offer(self, frame: Frame) -> None:
        """Take an event to be sent. A reader that is too far behind is given up."""
        self._put(frame, len(frame.text))

    def end(self, why: str) -> None:
        """Send no more. A reader that does not read is cut off, since it would not see the end."""
        if self.ended:
            return
        self.ended = why
        self._frames.clear()
        if self._abort is not None and (self._sending or why == SLOW):
            self._abort()
        self._wake_up()

    def close(self) -> None:
        """Forget the stream. Closing again changes nothing."""
        self.end(CLIENT)
        if self._ping is not None:
            self._ping.cancel()
        self._forget(self)

    def begin(self, abort: Callable[[], None]) -> None:
        """The connection is there; `abort` ends it without waiting for its reader."""
        self._abort = abort
        self._ping = asyncio.get_running_loop().call_later(PING_EVERY_S, self._put_ping)
        if self.ended == SLOW:
            abort()

    def sending(self, under_way: bool) -> None:
        """Whether the connection is taking bytes, which it does at once unless its reader does not read."""
        self._sending = under_way

    async def next(self) -> bytes | None:
        """The next bytes to send; None at the end."""
        while True:
            while not self._frames and not self.ended:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
            if self.ended:
                return None
            if piece := self._piece():
                return piece

    def text_of(self, frame: Frame) -> bytes:
        """The event with its id; empty for one that the reader has or does not want. Moves the stream's place,
        but for an event that cannot be found again.
        """
        if frame.offset <= self.place[frame.topic]:
            return b""
        if frame.kept:
            self.place[frame.topic] = frame.offset
        if frame.version >= 0:
            if frame.version <= self._version:
                return b""
            self._version = frame.version
        hidden = frame.type not in self.types or (self.owner and frame.internal)
        return b"" if hidden else self.with_id(frame.text)

    def snapshot(self, text: bytes, version: int) -> bytes:
        """The snapshot at the beginning. Older ones that are read later are not sent."""
        self._version = version
        return self.with_id(text) if SNAPSHOT in self.types else b""

    def with_id(self, text: bytes) -> bytes:
        return b"%bid: %b\n\n" % (text, place.encode(self._checksum, self.place))

    def _piece(self) -> bytes:
        parts, size = [], 0
        while self._frames and size < PIECE_BYTES:
            frame = self._frames.popleft()
            if frame is None:
                self._bytes -= len(PING)
                text = PING
            else:
                self._bytes -= len(frame.text)
                text = self.text_of(frame)
            parts.append(text)
            size += len(text)
        return b"".join(parts)

    def _put_ping(self) -> None:
        self._put(None, len(PING))
        self._ping = asyncio.get_running_loop().call_later(PING_EVERY_S, self._put_ping)

    def _put(self, frame: Frame | None, size: int) -> None:
        if self.ended:
            return
        self._frames.append(frame)
        self._bytes += size
        if self._bytes > BEHIND_BYTES_MAX:
            self.end(SLOW)
        else:
            self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts, joined to pieces of about PIECE_BYTES."""
    joined, size = list[bytes](), 0
    for part in parts:
        joined.append(part)
        size += len(part)
        if size >= PIECE_BYTES:
            yield b"".join(joined)
            joined, size = [], 0
    if joined:
        yield b"".join(joined)
