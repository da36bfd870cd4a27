"""All open streams of a process: limits on their number, the events of their accounts, and their end."""

import asyncio
from collections import Counter

from prometheus_client import CollectorRegistry

from gateway.http.key_file import KeyRing
from gateway.http.keys import Key
from gateway.http.limits import rate_limited
from gateway.http.problem import unavailable
from gateway.log.reader import LogReader, Seen, Watch
from gateway.streams.frame import frame_seen
from gateway.streams.metrics import StreamMetrics
from gateway.streams.stream import KEY, STOP, Stream

PER_ACCOUNT_MAX = 20
PER_KEY_MAX = 200
PER_PROCESS_MAX = 10_000
RETRY_S = 5.0


class _Account:
    """The streams of one account, which share what is read."""

    def __init__(self) -> None:
        self.streams: set[Stream] = set()
        self.watch: Watch | None = None

    def take(self, seen: Seen) -> None:
        frame = frame_seen(seen)
        if frame is not None:
            for stream in tuple(self.streams):
                stream.offer(frame)


class _Holder:
    """The streams that one key opened. They end with the key."""

    def __init__(self, keys: KeyRing, key: Key) -> None:
        self.streams: set[Stream] = set()
        self.task = asyncio.ensure_future(self._end_with(keys, key))

    async def _end_with(self, keys: KeyRing, key: Key) -> None:
        await keys.ended(key)
        for stream in tuple(self.streams):
            stream.end(KEY)


class Streams:
    """The streams of one process."""

    def __init__(self, keys: KeyRing, reader: LogReader, registry: CollectorRegistry) -> None:
        self._keys, self._reader, self._metrics = keys, reader, StreamMetrics(registry)
        self._accounts: dict[str, _Account] = {}
        self._holders: dict[Key, _Holder] = {}
        self._held: Counter[str] = Counter()  # By the key's id.
        self._open: dict[Stream, Key] = {}
        self._closed = False

    def open(self, account_id: str, key: Key, types: frozenset[str], *, owner: bool = False) -> Stream:
        """A stream that from now on takes what is read of the account, for its owner or for a caller. Raises Problem
        `rate_limited`, and `unavailable` when the process ends.
        """
        if self._closed:
            raise unavailable("This gateway ends: connect again.")
        self._check_limits(account_id, key)
        stream = Stream(account_id, types, self._forget, owner=owner)
        account = self._accounts.setdefault(account_id, _Account())
        if account.watch is None:
            account.watch = self._reader.watch(account_id, account.take)
        account.streams.add(stream)
        if key not in self._holders:
            self._holders[key] = _Holder(self._keys, key)
        self._holders[key].streams.add(stream)
        self._held[key.id] += 1
        self._open[stream] = key
        self._metrics.open.set(len(self._open))
        return stream

    def close(self) -> None:
        """End all streams, and open none any more."""
        self._closed = True
        for stream in tuple(self._open):
            stream.end(STOP)

    def _check_limits(self, account_id: str, key: Key) -> None:
        account = self._accounts.get(account_id)
        if account is not None and len(account.streams) >= PER_ACCOUNT_MAX:
            detail = f"The account has {PER_ACCOUNT_MAX} streams here: close one first."
        elif self._held[key.id] >= PER_KEY_MAX:
            detail = f"The key has {PER_KEY_MAX} streams here: close one first."
        elif len(self._open) >= PER_PROCESS_MAX:
            detail = "This gateway has as many streams as it can serve."
        else:
            return
        self._metrics.refused.inc()
        raise rate_limited(RETRY_S, detail)

    def _forget(self, stream: Stream) -> None:
        key = self._open.pop(stream, None)
        if key is None:
            return
        self._metrics.open.set(len(self._open))
        self._metrics.ended.labels(stream.ended).inc()
        self._held[key.id] -= 1
        if not self._held[key.id]:
            del self._held[key.id]
        holder = self._holders[key]
        holder.streams.remove(stream)
        if not holder.streams:
            holder.task.cancel()
            del self._holders[key]
        account = self._accounts[stream.account_id]
        account.streams.remove(stream)
        if not account.streams:
            assert account.watch is not None
            account.watch.close()
            del self._accounts[stream.account_id]
