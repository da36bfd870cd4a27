"""Finds where reading begins, and writes it down in Redis before it begins."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from aiokafka import TopicPartition
from faust.types import TP

from agents.views import layout
from agents.views.kafka import Identity, Log
from agents.views.layout import caught_up_field
from agents.views.settings import Settings
from agents.views.starts import BACK_MS, Start, Why, start_of
from agents.views.store import Store
from stream import log

logger = log.get("views")

FROM_THE_START = frozenset({Why.MISSING, Why.OUTSIDE})


@dataclass(frozen=True, slots=True)
class Found:
    """The starts, and the epoch and the Redis that they hold for."""

    starts: dict[TP, Start]
    epoch: bytes
    run_id: str


class Positions:
    """What Redis and the log say about positions."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._log: Log | None = None

    async def close(self) -> None:
        """Close the connections to Kafka; the next call opens others."""
        events, self._log = self._log, None
        if events is not None:
            await events.close()

    async def find(self, assigned: list[TP]) -> Found:
        """The start of each partition of each topic, after Redis has taken them down. Raises AwayError, LostError when
        another process began again meanwhile, and KafkaError.
        """
        run_id = await self._store.checked_run_id()
        events = await self.log()
        meta = await self._meta_of(await events.identity())
        places = [TopicPartition(*tp) for tp in assigned]
        bounds = await events.bounds(places) if places else {}
        moved = [place for place in places if meta.get(_run_id_field(place.partition)) != run_id.encode()]
        back = await self._back(events, moved, meta, {place: bounds[place].end for place in moved})
        starts = {
            tp: start_of(meta.get(layout.position_field(*tp)), bounds[place].begin, bounds[place].end, back.get(place))
            for tp, place in zip(assigned, places, strict=True)
        }
        await self._store.advance(meta[b"epoch"], _fields(starts, meta, run_id))
        return Found(starts, meta[b"epoch"], run_id)

    async def _meta_of(self, identity: Identity) -> dict[bytes, bytes]:
        """The meta hash, of a new epoch where it is missing or of other topics."""
        fields = {b"cluster_id": identity.cluster_id.encode()}
        fields |= {f"topic_id:{name}".encode(): topic_id.encode() for name, topic_id in identity.topic_ids.items()}
        while True:
            meta = await self._store.meta()
            seen = meta.get(b"epoch", b"")
            if seen and all(meta.get(field) == value for field, value in fields.items()):
                return meta
            epoch = uuid4().hex.encode()
            if any(meta.get(field, value) != value for field, value in fields.items()):
                logger.warning("Redis has the views of another cluster or of topics that are gone: they are removed")
                await self._store.wipe()
                # Another process may have begun to read meanwhile, and the wipe may have hit what it wrote.
                while (present := await self._store.begin(seen, epoch, fields)) != epoch:
                    seen = present
            else:
                await self._store.begin(seen, epoch, fields)

    async def _back(
        self, events: Log, moved: list[TopicPartition], meta: Mapping[bytes, bytes], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """The offset of a minute before the partition was last caught up, its start when it never was."""
        times = {place: _before(meta, place.partition) for place in moved}
        known = {place: at for place, at in times.items() if at is not None}
        found = await events.since(known) if known else {}
        return {
            place: 0 if times[place] is None else ends[place] if (at := found.get(place)) is None else at
            for place in moved
        }

    async def log(self) -> Log:
        if self._log is None:
            settings = self._settings
            names = [settings.topic(name) for name in layout.TOPICS]
            events = Log(settings, [TopicPartition(name, p) for name in names for p in range(settings.partitions)])
            try:
                await events.open()
            except BaseException:
                await events.close()
                raise
            self._log = events
        return self._log


def _run_id_field(partition: int) -> bytes:
    return b"run_id:%d" % partition


def _before(meta: Mapping[bytes, bytes], partition: int) -> int | None:
    """A minute before the partition was last caught up (ms); None when it never was."""
    text = meta.get(caught_up_field(partition), b"")
    return max(0, min(int(text), time.time_ns() // 1_000_000) - BACK_MS) if text.isdigit() else None


def _fields(starts: Mapping[TP, Start], meta: Mapping[bytes, bytes], run_id: str) -> dict[bytes, bytes | int]:
    """What Redis takes down before reading begins. A partition that is read from its start is not caught up, and one
    that another Redis may lack a part of was so a minute before.
    """
    fields: dict[bytes, bytes | int] = {layout.position_field(*tp): start.offset for tp, start in starts.items()}
    for partition in {tp.partition for tp in starts}:
        whys = {start.why for tp, start in starts.items() if tp.partition == partition}
        fields[_run_id_field(partition)] = run_id.encode()
        if whys & FROM_THE_START:
            fields[caught_up_field(partition)] = b""
        elif Why.OTHER_REDIS in whys:
            before = _before(meta, partition)
            fields[caught_up_field(partition)] = b"" if before is None else before
    return fields
