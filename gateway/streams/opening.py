"""How a stream begins: the snapshot, and what its reader has missed, from the views.

The stream takes what is read from the log before the views are asked, and the views are asked for everything before
that. So nothing is missing between the two, and what both have is sent once.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec

from agents.views import layout
from gateway.http.problem import no_such_account, unavailable
from gateway.log.reader import TOPICS as READ
from gateway.log.reader import Begin
from gateway.parts import Parts
from gateway.reads.fresh import look_behind
from gateway.reads.source import AccountSource, Source
from gateway.streams import place
from gateway.streams.frame import RESET, RETRY, SNAPSHOT, frame_of, topics_of
from gateway.streams.place import INDEX, NONE, TOPICS, Place
from gateway.streams.stream import Stream
from stream.redis_connection import Command

MISSED_MAX = 1_000
# A gateway may be a moment behind the one that gave the id.
REACH_WITHIN_S = 2.0
# The topics whose events the views keep, by index, and the names of their lists.
LISTS = {INDEX[topic]: name for topic, name in layout.LISTS.items()}


class _Found(msgspec.Struct):
    """What the views have: the snapshot, the newest offset of each list, and about each list since an id how many
    events follow it and how many are not behind it.
    """

    snapshot: bytes
    newest: Place
    following: dict[int, int]
    before: dict[int, int]


class Opening:
    """Places a stream."""

    def __init__(self, parts: Parts, stream: Stream) -> None:
        self._parts, self._stream = parts, stream
        self._account = AccountSource(Source(parts), stream.account_id)
        self._lists = [index for index in topics_of(stream.types) if index in LISTS]

    async def begin(self, last_event_id: str) -> Iterator[bytes]:
        """What the stream sends first. Raises Problem and AwayError."""
        if not self._parts.reader.ready:
            raise unavailable("The gateway does not read the log yet: try again.")
        given = place.decode(last_event_id, place.checksum_of(self._stream.account_id)) if last_event_id else None
        if given is not None and not await self._is_in_log(given):
            given = None
        until = self._parts.reader.position(self._stream.account_id)
        found = await self._find(given, until)
        start = list(found.newest)
        start[INDEX[layout.SNAPSHOTS]] = _before(until)[INDEX[layout.SNAPSHOTS]]
        missed = list[tuple[int, int, bytes]]()
        if given is not None and self._is_kept(given, found):
            for index in self._lists:
                start[index] = given[index]
            missed = await self._missed(found, start, until)
        else:
            given = None
        self._stream.place = start
        return self._first(found.snapshot, missed, resumed=given is not None, reset=bool(last_event_id))

    def _first(
        self, snapshot: bytes, missed: list[tuple[int, int, bytes]], *, resumed: bool, reset: bool
    ) -> Iterator[bytes]:
        stream = self._stream
        yield RETRY
        if reset and not resumed:
            yield stream.with_id(RESET)
        frame = frame_of(INDEX[layout.SNAPSHOTS], NONE, snapshot)
        yield stream.snapshot(frame.text, frame.version)
        if not resumed and not reset and SNAPSHOT not in stream.types:
            yield stream.with_id(b"")  # A reader that comes back before the first event also goes on from here.
        for topic, offset, value in missed:
            yield stream.text_of(frame_of(topic, offset, value))

    async def _is_in_log(self, given: Place) -> bool:
        """Whether the log is so far, and this gateway with it."""
        reader, account_id = self._parts.reader, self._stream.account_id
        position = reader.position(account_id)
        ahead = {
            TOPICS[n]: at + 1 for n, (at, last) in enumerate(zip(given, _before(position), strict=True)) if at > last
        }
        if not ahead:
            return True
        ends = await reader.ends(position.partition)
        if any(end > ends[topic] for topic, end in ahead.items()):
            return False
        try:
            async with asyncio.timeout(REACH_WITHIN_S):
                await reader.passed(position.partition, ahead)
        except TimeoutError:
            return False
        return True

    async def _find(self, given: Place | None, until: Begin) -> _Found:
        last = _before(until)
        commands: list[Command] = [("GET", self._account.key("snapshot"))]
        for index, name in LISTS.items():
            commands.append(
                ("ZREVRANGEBYSCORE", self._account.key(name), last[index], "-inf", "WITHSCORES", "LIMIT", 0, 1)
            )
        if given is not None:
            for index in self._lists:
                key = self._account.key(LISTS[index])
                commands += [("ZCOUNT", key, f"({given[index]}", last[index]), ("ZCOUNT", key, "-inf", given[index])]
        snapshot, *answers = await look_behind(self._parts, self._account, until, commands)
        if snapshot is None:
            raise no_such_account()
        newest = [NONE] * len(TOPICS)
        for index, rows in zip(LISTS, answers, strict=False):
            newest[index] = int(rows[0][1]) if rows else NONE
        counts = answers[len(LISTS) :]
        following = dict(zip(self._lists, counts[::2], strict=given is not None))
        return _Found(snapshot, newest, following, dict(zip(self._lists, counts[1::2], strict=given is not None)))

    def _is_kept(self, given: Place, found: _Found) -> bool:
        """Whether the views have everything behind the id, and that is not too much. They remove the oldest events of a
        list: as long as they have one that the reader has seen, or that list was empty, nothing behind it is gone.
        """
        whole = all(given[index] == NONE or found.before[index] for index in self._lists)
        return whole and sum(found.following.values()) <= MISSED_MAX

    async def _missed(self, found: _Found, start: Place, until: Begin) -> list[tuple[int, int, bytes]]:
        """The events behind `start`: topic, offset and value, those of each topic in order."""
        last, wanted = _before(until), [index for index in self._lists if found.following[index]]
        answers: list[Any] = await self._account.look(
            *(("ZRANGEBYSCORE", self._account.key(LISTS[n]), f"({start[n]}", last[n], "WITHSCORES") for n in wanted)
        )
        return [
            (index, int(offset), value) for index, rows in zip(wanted, answers, strict=True) for value, offset in rows
        ]


def _before(position: Begin) -> Place:
    """The last offset before the position, in each topic of a stream."""
    ends = dict(zip(READ, position.offsets, strict=True))
    return [ends[topic] - 1 for topic in TOPICS]
