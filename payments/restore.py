"""A partition's rows, read back before anything else happens."""

from time import monotonic

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from payments.payment import Payment, decode_row
from schemas.rows import CorruptRowError
from stream.fail_stop import halt

FETCH_BYTES = 8 << 20
POLL_MS = 200
STUCK_AFTER_S = 30.0


async def restore(consumer: AIOKafkaConsumer, place: TopicPartition) -> dict[str, Payment]:
    """The rows of `place` as committed. A row that cannot be trusted, or an end not reached, ends the process."""
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    end = (await consumer.end_offsets([place]))[place]
    rows: dict[str, Payment] = {}
    moved_at = monotonic()
    while await consumer.position(place) < end:
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                _take(rows, record)
            moved_at = monotonic()
        if monotonic() - moved_at > STUCK_AFTER_S:
            halt("the end of the payment rows was not reached", topic=place.topic, partition=place.partition, end=end)
    return rows


def _take(rows: dict[str, Payment], record: ConsumerRecord) -> None:
    try:
        name = record.key.decode()
        if record.value is None:
            rows.pop(name, None)
        else:
            rows[name] = decode_row(record.key, record.value, rows.get(name))
    except (CorruptRowError, UnicodeDecodeError, AttributeError) as error:
        halt(
            "a row of the payments cannot be trusted",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
