"""The measured traffic: accounts with every feature on and enough credits, then calls, in log order. Pure.

On a minutes plan most accounts use up their included minutes, so that calls within and beyond them are rated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from random import Random

from demo.wire import encode
from schemas.instant import DAY_MS, MINUTE_MS, SECOND_MS, format_instant
from schemas.money import MICROS_PER_UNIT
from schemas.partitioning import partition_of

CREDITS, MINUTES = "free", "professional"
FEATURES = ("extra_calls", "live_agent", "appointment_booking")
OPENING_INPUTS = 2 + len(FEATURES)  # The inputs that open one account: the account, its features, its credits.
GRANTED_MICROS = 5_000 * MICROS_PER_UNIT  # More than the calls of any benchmark cost, so that none is redirected.
SIGNED_UP_MS = 40 * DAY_MS  # Before the first call, so that a billing period is in progress.
CALLS_WITHIN_MS = 30 * MINUTE_MS
TALK_MEDIAN_S = 90
TALK_SIGMA = 0.9
# Every call ends before `now_ms`: an input ahead of the clock is rejected, and a call that is hours old is stuck.
TALK_MAX_MS = 10 * MINUTE_MS
RING_MAX_MS = 22 * SECOND_MS
LONGEST_AGE_MS = CALLS_WITHIN_MS + TALK_MAX_MS + RING_MAX_MS

Keyed = tuple[bytes, bytes]  # Key and value of one record.


@dataclass(frozen=True, slots=True)
class Traffic:
    """All calls end before `now_ms` (epoch); `seed` draws them. All accounts are on `plan`."""

    accounts: int
    calls: int
    now_ms: int
    label: str = "bench"
    seed: int = 1
    plan: str = CREDITS

    def account_id(self, number: int) -> str:
        return f"{self.label}-a{number:06}"

    def opening(self) -> Iterator[Keyed]:
        """Five inputs for each account."""
        for number in range(self.accounts):
            yield from open_account(self.account_id(number), self.now_ms - LONGEST_AGE_MS - MINUTE_MS, self.plan)

    def played(self) -> list[Keyed]:
        """`call-started` and `call-ended` of every call, in order of time. About 7 % are open at the same time."""
        rng = Random(self.seed)
        timed: list[tuple[int, Keyed]] = []
        begin_ms = self.now_ms - LONGEST_AGE_MS
        for number in range(self.calls):
            account_id = self.account_id(rng.randrange(self.accounts))
            started_ms = begin_ms + rng.randrange(CALLS_WITHIN_MS)
            answered_ms = started_ms + rng.randrange(SECOND_MS, RING_MAX_MS)
            talk_ms = min(int(TALK_MEDIAN_S * SECOND_MS * rng.lognormvariate(0, TALK_SIGMA)), TALK_MAX_MS)
            call_id = f"{self.label}-c{number:07}"
            ended_ms = answered_ms + talk_ms
            timed.append((started_ms, (account_id.encode(), call_started(account_id, call_id, started_ms, rng))))
            ended = call_ended(account_id, call_id, (started_ms, answered_ms, ended_ms), rng)
            timed.append((ended_ms, (account_id.encode(), ended)))
        timed.sort(key=itemgetter(0))
        return [record for _, record in timed]


def open_account(account_id: str, at_ms: int, plan: str) -> Iterator[Keyed]:
    """An account with all features on and credits granted."""
    key = account_id.encode()
    opening = {"plan": plan, "time_zone": "America/New_York", "billing_email": f"{account_id}@example.com"}
    yield key, encode("account-opened", f"{account_id}:open", account_id, at_ms - SIGNED_UP_MS, opening)
    for feature in FEATURES:
        switch = {"feature": feature, "enabled": True}
        yield key, encode("feature-set", f"{account_id}:{feature}", account_id, at_ms, switch)
    grant = {"grant_id": "first", "amount_micros": GRANTED_MICROS, "reason": "benchmark", "actor": "benchmark"}
    yield key, encode("credits-granted", f"{account_id}:grant", account_id, at_ms, grant)


def call_started(account_id: str, call_id: str, at_ms: int, rng: Random) -> bytes:
    fields = {"call_id": call_id, "direction": "inbound", "from": f"+1555{rng.randrange(10_000_000):07}"}
    return encode("call-started", f"{call_id}:started", account_id, at_ms, fields)


def call_ended(account_id: str, call_id: str, times_ms: tuple[int, int, int], rng: Random) -> bytes:
    """`times_ms`: started, answered, ended. Every third call used the live agent or booked an appointment."""
    started_ms, answered_ms, ended_ms = times_ms
    fields: dict[str, object] = {
        "call_id": call_id,
        "direction": "inbound",
        "started_at": format_instant(started_ms),
        "answered_at": format_instant(answered_ms),
        "outcome": "completed",
    }
    used = rng.choice(("live_agent", "appointment_booking", None, None, None, None))
    if used is not None:
        fields["features"] = [used]
    return encode("call-ended", f"{call_id}:ended", account_id, ended_ms, fields)


def by_partition(records: Iterator[Keyed] | list[Keyed], partitions: int) -> list[list[Keyed]]:
    """The records of each partition, each in the order given."""
    split: list[list[Keyed]] = [[] for _ in range(partitions)]
    for record in records:
        split[partition_of(record[0], partitions)].append(record)
    return split
