"""The virtual clock: ticks among the records of a month, few at night and enough by day."""

from collections.abc import Iterator
from typing import NamedTuple

from demo.wire import Timed, encode, sign
from schemas.instant import MINUTE_MS
from schemas.partitioning import partition_of

CLOCK_KEY = b"*"
TICK_PREFIX = "tick-"
# Renewals, retries and the release of holds wait at most this long for a tick.
TICK_EVERY_MS = 15 * MINUTE_MS
# An input may be five minutes ahead of the clock (P17); the answer to a payment is up to a minute ahead of its request.
AHEAD_MAX_MS = 3 * MINUTE_MS


class VirtualClock(NamedTuple):
    """Each partition ticks from `midnight_ms` to `end_ms` (epoch), every `every_ms`; 0 for no ticks. With
    `signing_key`, ticks are signed.

    Before midnight no time passes for the accounts, so a worker that starts late does not make their first refills
    overdue.
    """

    midnight_ms: int
    end_ms: int
    every_ms: int
    partitions: int
    signing_key: bytes | None = None


def with_ticks(stream: Iterator[Timed], clock: VirtualClock) -> Iterator[Timed]:
    """The records of `stream` with the ticks between them.

    A partition also ticks right before a record that would be too far ahead of its last tick.
    """
    if clock.every_ms == 0:
        yield from stream
        return
    due_ms = clock.midnight_ms
    ticked_ms = [clock.midnight_ms] * clock.partitions
    for record in stream:
        while due_ms <= record.at_ms:
            yield from _tick_everywhere(due_ms, clock)
            ticked_ms = [due_ms] * clock.partitions
            due_ms += clock.every_ms
        partition = partition_of(record.key, clock.partitions) if record.partition is None else record.partition
        if record.at_ms - ticked_ms[partition] > AHEAD_MAX_MS:
            yield tick(record.at_ms, partition, clock.signing_key)
            ticked_ms[partition] = record.at_ms
        yield record
    while due_ms <= clock.end_ms:
        yield from _tick_everywhere(due_ms, clock)
        due_ms += clock.every_ms


def _tick_everywhere(at_ms: int, clock: VirtualClock) -> Iterator[Timed]:
    return (tick(at_ms, partition, clock.signing_key) for partition in range(clock.partitions))


def tick(at_ms: int, partition: int, key: bytes | None) -> Timed:
    value = encode("clock-ticked", f"{TICK_PREFIX}{at_ms}", "*", at_ms, {})
    return Timed(at_ms, "clock-ticked", CLOCK_KEY, value, partition=partition, headers=sign(value, key))
