"""A realistic day of call traffic as an ordered, seeded sequence of records. Pure: no clock, no Kafka, no files.

The same settings give the same bytes. Time is virtual: `Timed.at_ms` is when a record reaches the log, the sender
decides how fast that time runs. The hours before midnight open the accounts; the hour after the day lets calls end
and reports come in late.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from operator import attrgetter
from random import Random

from demo.accounts import Account, commands, draw_accounts, setup
from demo.calls import CallShares, calls
from demo.malformed import malformed
from demo.wire import Timed, encode, sign
from schemas.inputs import moves_money
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS

CLOCK_KEY = b"*"
# Before midnight the accounts are opened, and there is time for what that causes: their first payments.
LEAD_IN_MS = 3 * HOUR_MS
TAIL_MS = HOUR_MS
PLAYED_MS = LEAD_IN_MS + DAY_MS + TAIL_MS  # Virtual time from the first record to the last possible one.
REPEAT_DELAY_MEAN_MS = 10 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """What the day looks like. `midnight_ms` (epoch) begins it; shares are probabilities for each record or call."""

    midnight_ms: int
    seed: int = 1
    accounts: int = 1_000
    calls: int = 40_000
    partitions: int = 8
    label: str = "demo"  # Every account id and call id begins with it, so that runs on one cluster do not meet.
    # Ticks of the virtual clock. It must run finer than the five minutes by which an input may be ahead of it (P17);
    # 0 when somebody else puts `clock-ticked` on the log.
    tick_every_ms: int = MINUTE_MS
    signing_key: bytes | None = None
    repeated: float = 0.015
    malformed: float = 0.004
    call: CallShares = field(default_factory=CallShares)

    @property
    def begin_ms(self) -> int:
        return self.midnight_ms - LEAD_IN_MS

    @property
    def end_ms(self) -> int:
        """No record reaches the log later than this."""
        return self.begin_ms + PLAYED_MS


def records(settings: TrafficSettings) -> Iterator[Timed]:
    """The day, in the order in which its records reach the log."""
    accounts = draw_accounts(settings.accounts, settings.label, _random(settings, "accounts"))
    if not accounts:
        return ticks(settings)
    return with_repeats(merge(ticks(settings), *_streams(settings, accounts), key=attrgetter("at_ms")), settings)


def _streams(settings: TrafficSettings, accounts: list[Account]) -> Iterator[Iterator[Timed]]:
    """Each stream draws from a generator of its own: more calls leave the accounts and their settings as they were."""
    opening = setup(accounts, settings.midnight_ms, settings.begin_ms, _random(settings, "setup"))
    day = commands(accounts, settings.midnight_ms, _random(settings, "commands"))
    yield signed(opening, settings.signing_key)
    yield signed(day, settings.signing_key)
    yield calls(accounts, settings.calls, settings.midnight_ms, settings.call, _random(settings, "calls"))
    yield malformed(
        accounts,
        round(settings.calls * settings.malformed),
        settings.midnight_ms,
        partitions=settings.partitions,
        signing_key=settings.signing_key,
        rng=_random(settings, "malformed"),
    )


def signed(stream: Iterator[Timed], key: bytes | None) -> Iterator[Timed]:
    for record in stream:
        yield record._replace(headers=sign(record.value, key)) if moves_money(record.kind) else record


def _random(settings: TrafficSettings, stream: str) -> Random:
    return Random(f"{settings.seed}/{stream}")  # noqa: S311 a day that can be played again, not a secret


def ticks(settings: TrafficSettings) -> Iterator[Timed]:
    """One `clock-ticked` for each partition, at each step of the virtual clock, which runs from midnight on.

    Until then no time passes for the accounts: their first refills are not overdue because a worker has just started.
    """
    if settings.tick_every_ms == 0:
        return
    for at_ms in range(settings.midnight_ms, settings.end_ms + 1, settings.tick_every_ms):
        value = encode("clock-ticked", f"tick-{at_ms}", "*", at_ms, {})
        for partition in range(settings.partitions):
            yield Timed(at_ms, "clock-ticked", CLOCK_KEY, value, partition=partition)


def with_repeats(stream: Iterator[Timed], settings: TrafficSettings) -> Iterator[Timed]:
    """Some records arrive a second time, byte for byte, a while later: the systems before us deliver at least once."""
    rng = _random(settings, "repeats")
    waiting: list[tuple[int, int, Timed]] = []
    for number, record in enumerate(stream):
        while waiting and waiting[0][0] <= record.at_ms:
            yield heappop(waiting)[2]
        yield record
        understood = record.dead_letter is None and record.kind != "clock-ticked"
        if understood and rng.random() < settings.repeated:
            again_ms = min(record.at_ms + int(rng.expovariate(1 / REPEAT_DELAY_MEAN_MS)), settings.end_ms)
            heappush(waiting, (again_ms, number, record._replace(at_ms=again_ms, kind="repeat")))
    while waiting:
        yield heappop(waiting)[2]
