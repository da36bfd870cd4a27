"""Calls as telephone systems report them: mostly in order, sometimes late, reversed, incomplete or contradicted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import accumulate
from random import Random

from demo.accounts import Account
from demo.arrivals import DAYS, arrivals, talk_ms
from demo.wire import Timed, encode
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, format_instant

# All records of calls reach the log before this time after midnight, within the last hour of the traffic.
LAST_REPORT_MS = DAYS * DAY_MS + 50 * MINUTE_MS
REPORT_DELAY_MEAN_MS = 150  # From a telephone exchange to the log.
FORGOTTEN_HOURS = (5, 9)  # Longer than the longest call of every plan.


@dataclass(frozen=True, slots=True)
class CallShares:
    """Probabilities for each call. Calls that are neither inbound nor web are outbound."""

    inbound: float = 0.8
    web: float = 0.1
    answered: float = 0.88
    booking: float = 0.18  # of the answered
    live_agent: float = 0.12  # of the answered
    spam: float = 0.06  # of the answered: detected minutes to days later, by `call-reclassified`
    known_spam: float = 0.02  # of the answered: the end itself has `real` false
    not_spam_after_all: float = 0.1  # of the spam: reclassified back
    late_end: float = 0.01  # reported 10 minutes to 3 days after it
    end_first: float = 0.01  # the start arrives after the end
    start_only: float = 0.004
    end_only: float = 0.006
    contradicted: float = 0.003  # a second end, with another duration
    forgotten: float = 0.001  # of the answered: nobody hangs up for hours
    forked: float = 0.01  # of the answered: rings two telephones, which report the call by legs
    transferred: float = 0.5  # of the forked: passed on to the other telephone


@dataclass(frozen=True, slots=True)
class Call:
    """One call; times in epoch ms, `answered_ms` None when nobody answered."""

    account: Account
    call_id: str
    direction: str
    started_ms: int
    answered_ms: int | None
    ended_ms: int
    outcome: str
    features: tuple[str, ...]
    real: bool
    leg_id: str | None = None

    def record(self, kind: str, name: str, at_ms: int, occurred_ms: int, fields: dict[str, object]) -> Timed:
        fields["call_id"] = self.call_id
        if self.leg_id is not None:
            fields["leg_id"] = self.leg_id
            name = f"{name}-{self.leg_id}"
        value = encode(kind, f"{self.call_id}:{name}", self.account.account_id, occurred_ms, fields)
        return Timed(at_ms, kind, self.account.key, value)


def calls(accounts: list[Account], count: int, midnight_ms: int, shares: CallShares, rng: Random) -> Iterator[Timed]:
    """The records of `count` calls in order of arrival."""
    cumulative = list(accumulate(account.weight for account in accounts))
    last_ms = midnight_ms + LAST_REPORT_MS
    waiting: list[tuple[int, int, Timed]] = []
    pushed = 0
    for number, started_ms in enumerate(arrivals(count, midnight_ms, rng)):
        while waiting and waiting[0][0] <= started_ms:
            yield heappop(waiting)[2]
        account = rng.choices(accounts, cum_weights=cumulative)[0]
        call = _draw_call(
            account, f"{account.account_id}:c{number:06}", started_ms, last_ms=last_ms, shares=shares, rng=rng
        )
        for record in _reports(call, last_ms, shares, rng):
            heappush(waiting, (record.at_ms, pushed, record))
            pushed += 1
    while waiting:
        yield heappop(waiting)[2]


def _draw_call(
    account: Account, call_id: str, started_ms: int, *, last_ms: int, shares: CallShares, rng: Random
) -> Call:
    side = rng.random()
    direction = "inbound" if side < shares.inbound else "web" if side < shares.inbound + shares.web else "outbound"
    rung_ms = started_ms + rng.randrange(1 * SECOND_MS, 22 * SECOND_MS)
    if rng.random() >= shares.answered:
        outcome = rng.choice(("no_answer", "no_answer", "busy", "canceled", "failed"))
        return Call(account, call_id, direction, started_ms, None, rung_ms, outcome, (), real=True)
    features = []
    if rng.random() < shares.booking:
        features.append("appointment_booking")
    if rng.random() < shares.live_agent:
        features.append("live_agent")
    talked_ms = talk_ms(account.talk_median_s, rng)
    if rng.random() < shares.forgotten:
        talked_ms = rng.randrange(FORGOTTEN_HOURS[0] * HOUR_MS, FORGOTTEN_HOURS[1] * HOUR_MS)
    ended_ms = min(rung_ms + talked_ms, last_ms)
    real = rng.random() >= shares.known_spam
    return Call(account, call_id, direction, started_ms, rung_ms, ended_ms, "completed", tuple(features), real=real)


def _reports(call: Call, last_ms: int, shares: CallShares, rng: Random) -> Iterator[Timed]:
    """The records of a call, each with its arrival time, not in order of arrival."""
    if call.answered_ms is not None and rng.random() < shares.forked:
        yield from _by_legs(call, last_ms, shares, rng)
        return
    oddity = rng.random()
    start_only = oddity < shares.start_only
    end_only = not start_only and oddity < shares.start_only + shares.end_only
    end_at_ms = call.ended_ms + _delay(rng)
    if rng.random() < shares.late_end:
        end_at_ms += rng.randrange(10 * MINUTE_MS, 3 * DAY_MS)
    end_at_ms = min(end_at_ms, last_ms)
    if not end_only:
        start_at_ms = call.started_ms + _delay(rng)
        if rng.random() < shares.end_first:
            start_at_ms = min(end_at_ms + rng.randrange(5 * SECOND_MS, 10 * MINUTE_MS), last_ms)
        yield _started(call, start_at_ms, rng)
    if start_only:
        return
    yield _ended(call, "ended", end_at_ms, call.ended_ms)
    if rng.random() < shares.contradicted:
        # The telephone exchange corrects itself: the same call with half the duration.
        ringing_ms = call.answered_ms or call.started_ms
        corrected_ms = ringing_ms + (call.ended_ms - ringing_ms) // 2
        yield _ended(call, "corrected", min(end_at_ms + rng.randrange(DAY_MS), last_ms), corrected_ms)
    if call.answered_ms is not None and call.real and rng.random() < shares.spam:
        yield from _spam(call, end_at_ms, last_ms, shares, rng)


def _by_legs(call: Call, last_ms: int, shares: CallShares, rng: Random) -> Iterator[Timed]:
    """The call rings two telephones, `desk` and `mobile`. The mobile answers it, and the desk stops ringing or takes
    the call over half-way.
    """
    assert call.answered_ms is not None
    desk, mobile = replace(call, leg_id="desk"), replace(call, leg_id="mobile")
    if rng.random() < shares.transferred:
        passed_ms = call.answered_ms + (call.ended_ms - call.answered_ms) // 2
        mobile = replace(mobile, ended_ms=passed_ms)
        desk = replace(desk, started_ms=passed_ms, answered_ms=min(passed_ms + SECOND_MS, call.ended_ms), features=())
    else:
        desk = replace(desk, answered_ms=None, ended_ms=call.answered_ms, outcome="canceled", features=())
    for leg in (desk, mobile):
        yield _started(leg, min(leg.started_ms + _delay(rng), last_ms), rng)
        yield _ended(leg, "ended", min(leg.ended_ms + _delay(rng), last_ms), leg.ended_ms)


def _delay(rng: Random) -> int:
    return 1 + int(rng.expovariate(1 / REPORT_DELAY_MEAN_MS))


def _started(call: Call, at_ms: int, rng: Random) -> Timed:
    fields: dict[str, object] = {"direction": call.direction}
    if call.direction == "inbound":
        fields["from"] = f"+1555{rng.randrange(10_000_000):07}"
    return call.record("call-started", "started", at_ms, call.started_ms, fields)


def _ended(call: Call, name: str, at_ms: int, ended_ms: int) -> Timed:
    fields: dict[str, object] = {
        "direction": call.direction,
        "started_at": format_instant(call.started_ms),
        "answered_at": None if call.answered_ms is None else format_instant(call.answered_ms),
        "outcome": call.outcome,
    }
    if call.features:
        fields["features"] = call.features
    if not call.real:
        fields["real"] = False
    return call.record("call-ended", name, at_ms, ended_ms, fields)


def _spam(call: Call, end_at_ms: int, last_ms: int, shares: CallShares, rng: Random) -> Iterator[Timed]:
    found_ms = min(end_at_ms + rng.randrange(5 * MINUTE_MS, 2 * DAY_MS), last_ms)
    fields: dict[str, object] = {"real": False, "reason": "spam", "actor": "spam-filter"}
    yield call.record("call-reclassified", "spam", found_ms, found_ms, fields)
    if rng.random() < shares.not_spam_after_all:
        back_ms = min(found_ms + rng.randrange(MINUTE_MS, DAY_MS), last_ms)
        fields = {"real": True, "reason": "owner says it was a customer", "actor": "owner"}
        yield call.record("call-reclassified", "not-spam", back_ms, back_ms, fields)
