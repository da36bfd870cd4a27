"""`/portal/events`: what happens to the account, to its owner: without alerts to the operator, until the session ends.

A session may end at any gateway, so each looks at the sessions of its streams in Redis, all at once.
"""

import asyncio
from collections import defaultdict
from typing import Any

import redis
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.problem import Problem
from gateway.parts import Parts
from gateway.portal.session import Session, key_of, now_ms
from gateway.portal_links import generation_key
from gateway.streams.endpoint import LAST, EventStream, types_of
from gateway.streams.opening import Opening
from gateway.streams.stream import SESSION, Stream
from stream import log

logger = log.get("gateway.portal")

LOOK_EVERY_S = 1.0


class SessionStreams:
    """The streams of one process that sessions opened, by session."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._open: defaultdict[Session, set[Stream]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def respond(self, request: Request, session: Session) -> Response:
        """The stream, once the views have answered. Raises Problem and AwayError."""
        key = key_of(self._parts, session)
        if key is None:
            raise Problem("unauthorized", "The session has ended.")
        types = types_of(request.query_params.get("types"))
        stream = self._parts.streams.open(session.account_id, key, types, owner=True)
        try:
            first = await Opening(self._parts, stream).begin(request.headers.get(LAST, "").strip())
        except BaseException:
            stream.close()
            raise
        if request.method == "HEAD":
            stream.close()
        else:
            self._follow(session, stream)
        return EventStream(stream, first)

    def end(self, session: Session) -> None:
        """End the streams of a session that has ended."""
        for stream in self._open.pop(session, ()):
            stream.end(SESSION)

    def _follow(self, session: Session, stream: Stream) -> None:
        self._open[session].add(stream)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        """End the streams whose sessions have ended, while there are any."""
        while self._open:
            await asyncio.sleep(LOOK_EVERY_S)
            for session, streams in list(self._open.items()):
                streams -= {stream for stream in streams if stream.ended}
                if not streams:
                    del self._open[session]
            sessions = list(self._open)
            for session, holds in zip(sessions, await self._hold(sessions), strict=True):
                if not holds:
                    self.end(session)

    async def _hold(self, sessions: list[Session]) -> list[bool]:
        """Whether each session still holds; without Redis, whether its hour is not over."""
        at_ms = now_ms()
        in_time = [at_ms < session.ends_ms for session in sessions]
        if not sessions:
            return in_time
        names = [name for session in sessions for name in (session.kept_as, generation_key(session.account_id))]
        client: Any = self._parts.redis
        try:
            found = await client.mget(names)
        except (redis.RedisError, OSError) as error:
            logger.info("the sessions of streams cannot be checked now", error=repr(error))
            return in_time
        return [
            due and kept is not None and int(generation or 0) == session.generation
            for session, due, kept, generation in zip(sessions, in_time, found[::2], found[1::2], strict=True)
        ]
