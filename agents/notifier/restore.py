"""Reads a partition's rows back before the partition is served."""

from time import monotonic

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.notifier.rows import Rows
from schemas.rows import CorruptRowError
from stream.fail_stop import Exit, halt

POLL_MS = 200
STUCK_AFTER_S = 30.0


async def restore(consumer: AIOKafkaConsumer, place: TopicPartition) -> Rows:
    """The rows of `place`. Halts the process on a row that cannot be trusted, or if the end is not reached."""
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    await consumer.seek_to_beginning(place)
    rows = Rows()
    moved_at = monotonic()
    while await consumer.position(place) < end:
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                try:
                    rows.read(record.key, record.value)
                except (CorruptRowError, ValueError) as error:
                    where = {"topic": place.topic, "partition": place.partition, "offset": record.offset}
                    halt("a row of the notifier cannot be trusted", status=Exit.PERSON, error=str(error), **where)
            moved_at = monotonic()
        if monotonic() - moved_at > STUCK_AFTER_S:
            reason = "the end of the notifier's rows was not reached"
            halt(reason, status=Exit.PASSING, topic=place.topic, partition=place.partition, end=end)
    return rows
