"""Reads a partition's rows back before the partition is served."""

from dataclasses import dataclass
from time import monotonic
from typing import NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from payments.adapter.listing import LISTED_KEY, ListedTo, decode_listed
from payments.payment_state import PaymentState, decode_row
from schemas.rows import CorruptRowError
from stream.fail_stop import Exit, halt
from stream.lane.changelog import CommittedRows
from stream.lane.takeover import STATE_LOST, missing_state

POLL_MS = 200
STUCK_AFTER_S = 30.0
UNTRUSTED = "a row of the payments cannot be trusted"


@dataclass(slots=True)
class Restored(CommittedRows[PaymentState]):
    """The content of a partition of the rows topic. `records` counts the records read, removals included; `checkpoint`
    is the partition's own row, and `listed` the row of its last listing.
    """

    records: int = 0
    listed: ListedTo | None = None

    def take(self, record: ConsumerRecord) -> None:
        """Halts the process on a corrupt row."""
        self.records += 1
        if record.key != LISTED_KEY:
            self.read(record, decode_row, UNTRUSTED)
            return
        try:
            self.listed = None if record.value is None else decode_listed(record.value)
        except CorruptRowError as error:
            place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            halt(UNTRUSTED, status=Exit.PERSON, error=str(error), **place)


async def restore(consumer: AIOKafkaConsumer, place: TopicPartition) -> Restored:
    """The committed rows of `place`. Halts the process on a corrupt row, lost rows, or if the end is not reached."""
    consumer.assign([place])
    begin, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
    if begin > 0:
        halt_on_lost_state("the payment rows have lost their beginning", place, first_offset=begin)
    await consumer.seek_to_beginning(place)
    restored = Restored()
    moved_at = monotonic()
    while await consumer.position(place) < end:
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                restored.take(record)
            moved_at = monotonic()
        if monotonic() - moved_at > STUCK_AFTER_S:
            reason = "the end of the payment rows was not reached"
            halt(reason, status=Exit.PASSING, topic=place.topic, partition=place.partition, end=end)
    if restored.checkpoint is not None:
        missing = missing_state(restored.checkpoint, len(restored.rows), {})
        if missing:
            halt_on_lost_state(f"payments are lost: {missing}", place)
    return restored


def halt_on_lost_state(reason: str, place: TopicPartition, **fields: object) -> NoReturn:
    """Without its full state the adapter could execute a payment twice, or never."""
    halt(reason, status=Exit.PERSON, topic=place.topic, partition=place.partition, see=STATE_LOST, **fields)
