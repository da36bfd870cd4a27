"""The virtual clock: ticks among the records of a month, few at night and dense enough by day."""

from collections.abc import Iterator
from typing import NamedTuple

from demo.wire import Timed, encode
from schemas.instant import MINUTE_MS
from schemas.partitioning import partition_of

CLOCK_KEY = b"*"
TICK_PREFIX = "tick-"
# Renewals, retries and holds wait for the clock: none of them longer than this.
TICK_EVERY_MS = 15 * MINUTE_MS
# An input may be five minutes ahead of the clock (P17), and a payment's answer is up to a minute ahead of its request.
AHEAD_MAX_MS = 3 * MINUTE_MS


class Clock(NamedTuple):
    """One partition's ticks run from `midnight_ms` to `end_ms` (epoch), each `every_ms`; 0 for none at all.

    Until midnight no time passes for the accounts: their first refills are not overdue because a worker has just
    started.
    """

    midnight_ms: int
    end_ms: int
    every_ms: int
    partitions: int


def with_ticks(stream: Iterator[Timed], clock: Clock) -> Iterator[Timed]:
    """The records of `stream` with the ticks between them.

    Every partition ticks each `every_ms`, and once more right before a record that would be too far ahead of it.
    """
    if clock.every_ms == 0:
        yield from stream
        return
    due_ms = clock.midnight_ms
    told_ms = [clock.midnight_ms] * clock.partitions
    for record in stream:
        while due_ms <= record.at_ms:
            yield from _everywhere(due_ms, clock)
            told_ms = [due_ms] * clock.partitions
            due_ms += clock.every_ms
        partition = partition_of(record.key, clock.partitions) if record.partition is None else record.partition
        if record.at_ms - told_ms[partition] > AHEAD_MAX_MS:
            yield _tick(record.at_ms, partition)
            told_ms[partition] = record.at_ms
        yield record
    while due_ms <= clock.end_ms:
        yield from _everywhere(due_ms, clock)
        due_ms += clock.every_ms


def _everywhere(at_ms: int, clock: Clock) -> Iterator[Timed]:
    return (_tick(at_ms, partition) for partition in range(clock.partitions))


def _tick(at_ms: int, partition: int) -> Timed:
    value = encode("clock-ticked", f"{TICK_PREFIX}{at_ms}", "*", at_ms, {})
    return Timed(at_ms, "clock-ticked", CLOCK_KEY, value, partition=partition)
