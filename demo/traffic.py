"""A realistic month of call traffic as an ordered, seeded sequence of records. Pure: no clock, no Kafka, no files.

The same settings give the same bytes. Time is virtual: `Timed.at_ms` is when a record reaches the log, and the sender
sets the speed of that time. Accounts are opened in the days before midnight; in the hour after the month the last calls
end and the last reports arrive.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from operator import attrgetter
from random import Random

from demo.accounts import CURRENCIES, Account, draw_accounts
from demo.arrivals import DAYS
from demo.calls import CallShares, calls
from demo.malformed import malformed
from demo.opening import setup
from demo.owner_requests import owner_requests
from demo.ticks import TICK_EVERY_MS, VirtualClock, with_ticks
from demo.wire import Timed, sign
from schemas.inputs import moves_money
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS

# Before midnight the accounts are opened, and their first payments are made. Two days are a few seconds of a run.
LEAD_IN_MS = 2 * DAY_MS
TAIL_MS = HOUR_MS
PLAYED_MS = LEAD_IN_MS + DAYS * DAY_MS + TAIL_MS  # Virtual time from the first record to the last possible one.
REPEAT_DELAY_MEAN_MS = 10 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """The month begins at `midnight_ms` (epoch). Shares are probabilities for each record or call."""

    midnight_ms: int
    seed: int = 1
    accounts: int = 300
    calls: int = 20_000
    partitions: int = 8
    label: str = "demo"  # Prefix of account and call ids, so that runs on one cluster do not collide.
    tick_every_ms: int = TICK_EVERY_MS  # 0 when another process writes `clock-ticked`.
    signing_key: bytes | None = None
    repeated: float = 0.015
    malformed: float = 0.004
    currencies: tuple[str, ...] = CURRENCIES  # Those that every plan has prices in.
    call: CallShares = field(default_factory=CallShares)

    @property
    def begin_ms(self) -> int:
        return self.midnight_ms - LEAD_IN_MS

    @property
    def end_ms(self) -> int:
        """No record reaches the log later than this."""
        return self.begin_ms + PLAYED_MS


def records(settings: TrafficSettings) -> Iterator[Timed]:
    """The records of the month, in order of arrival."""
    rng = _random(settings, "accounts")
    accounts = draw_accounts(settings.accounts, settings.label, settings.midnight_ms, rng, settings.currencies)
    happened = merge(*_streams(settings, accounts), key=attrgetter("at_ms")) if accounts else iter(())
    every_ms, key = settings.tick_every_ms, settings.signing_key
    clock = VirtualClock(settings.midnight_ms, settings.end_ms, every_ms, settings.partitions, key)
    return with_ticks(with_repeats(happened, settings), clock)


def _streams(settings: TrafficSettings, accounts: list[Account]) -> Iterator[Iterator[Timed]]:
    """Each stream has its own random generator, so that more calls do not change the accounts and their settings."""
    midnight_ms = settings.midnight_ms
    yield signed(setup(accounts, settings.begin_ms, _random(settings, "setup")), settings.signing_key)
    yield signed(owner_requests(accounts, midnight_ms, _random(settings, "commands")), settings.signing_key)
    yield calls(accounts, settings.calls, midnight_ms, settings.call, _random(settings, "calls"))
    yield malformed(
        accounts,
        round(settings.calls * settings.malformed),
        midnight_ms,
        partitions=settings.partitions,
        signing_key=settings.signing_key,
        rng=_random(settings, "malformed"),
    )


def signed(stream: Iterator[Timed], key: bytes | None) -> Iterator[Timed]:
    for record in stream:
        yield record._replace(headers=sign(record.value, key)) if moves_money(record.kind) else record


def _random(settings: TrafficSettings, stream: str) -> Random:
    return Random(f"{settings.seed}/{stream}")  # noqa: S311 repeatable, not secret; `stream` is part of the seed


def with_repeats(stream: Iterator[Timed], settings: TrafficSettings) -> Iterator[Timed]:
    """Some records arrive again later, byte for byte: upstream systems deliver at least once."""
    rng = _random(settings, "repeats")
    waiting: list[tuple[int, int, Timed]] = []
    for number, record in enumerate(stream):
        while waiting and waiting[0][0] <= record.at_ms:
            yield heappop(waiting)[2]
        yield record
        if record.dead_letter is None and rng.random() < settings.repeated:
            again_ms = min(record.at_ms + int(rng.expovariate(1 / REPEAT_DELAY_MEAN_MS)), settings.end_ms)
            heappush(waiting, (again_ms, number, record._replace(at_ms=again_ms, kind="repeat")))
    while waiting:
        yield heappop(waiting)[2]
