"""The calls of account histories as Hypothesis writes them. Each rule adds inputs, knowing where the naive model is.

Time goes on in small gaps; once a clock has ticked, an input that would be from the future is preceded by a tick. Rules
that need something to work on (an ended call, an unanswered payment) do nothing where there is none.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model.draws import (
    ACCOUNTS,
    ENDS,
    FAULTS,
    GAPS,
    LEGS,
    MAYBE,
    PICKS,
    SHIFTS,
    SIGNUPS,
    TIMES,
    USED,
    leg_of,
    pick,
    plain_end,
)
from tests.model.history import DOLLAR, History
from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_model import NaiveModel
from tests.model.naive_money import FEATURES
from tests.model.naive_plans import AnyPlan, NaivePlan
from tests.model.naive_time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, instant, period_start
from tests.model.naive_wire import Wire


class CallHistories(RuleBasedStateMachine):
    """Accounts and their calls. `send` writes an input down and steps the model with it."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: list[AnyPlan] = [NaivePlan()]
        self.model = NaiveModel()
        self.history = History()
        self.expected: list[list[dict[str, Any]]] = []
        self.calls = 0
        self.stands_still = False

    @initialize(
        included=st.sampled_from([2, 2, 2, 2, 0, 25]),
        admission=st.sampled_from(["available", "available", "available", "balance"]),
        signup=st.sampled_from(SIGNUPS),
        start_money=st.sampled_from([40, 20, 9, 0]),
        parts=st.sets(st.sampled_from(["clock", "second account"])),
        time=TIMES,
    )
    def open_accounts(
        self, included: int, admission: Any, signup: tuple[str, str], start_money: int, parts: set[str], time: str
    ) -> None:
        self.plans = [NaivePlan(included_calls=included, admission=admission)]
        self.begin(instant(signup[0]), time, ticks="clock" in parts)
        self.send(self.history.open("a", time_zone=signup[1]))
        for feature in FEATURES:
            self.send(self.history.add("feature-set", "a", feature=feature, enabled=True))
        if start_money:
            self.send(self.history.grant(start_money * DOLLAR, "a"))
        if "second account" in parts:
            self.send(self.history.open("b"))
        self.send(self.history.card("pm1", "a"))
        if included == 25:
            self.calls_in_a_row(24, [])

    def begin(self, at_ms: int, time: str, *, ticks: bool) -> None:
        """`time`: in simulation, or with lines that say when they arrived; a clock may stand still while they do."""
        self.history = History(at_ms, "ticks" if time == "ticks" else "broker", arrives=time.startswith("arrives"))
        self.model = NaiveModel(*self.plans, time=self.history.time)
        self.stands_still = time == "arrives, the clock stands still"
        if ticks:
            self.send(self.history.tick())

    def send(self, wire: Wire) -> None:
        self.expected.append(self.model.step(wire))

    def account(self, account_id: str) -> NaiveAccount | None:
        return self.model.accounts.get(account_id)

    def known_calls(self, account_id: str) -> list[NaiveCall]:
        account = self.account(account_id)
        return list(account.calls.values()) if account else []

    def remembered_calls(self, account_id: str) -> list[NaiveCall]:
        """Those within the correction horizon, with a day to spare: what an id means after it nobody promises."""
        clock = self.model.world.clock
        return [
            call for call in self.known_calls(account_id) if clock is None or call.last_heard_ms >= clock - 34 * DAY_MS
        ]

    def pass_time(self, gap_ms: int) -> None:
        """Moves on, with a tick where the inputs would otherwise be from the future."""
        self.history.now_ms += gap_ms
        clock = self.model.world.clock
        if clock is not None and not self.stands_still and self.history.now_ms > clock + 4 * MINUTE_MS:
            self.send(self.history.tick(self.history.now_ms))

    def since_signup(self, account_id: str, at_ms: int) -> int:
        """Calls before the signup belong to no period that the product speaks of."""
        account = self.account(account_id)
        return at_ms if account is None else max(at_ms, instant(account.opened["occurred_at"]))

    def new_call(self) -> str:
        self.calls += 1
        # Not in order of time, so that ties are ranked by the id; with characters that ids of facts write otherwise.
        return f"c{self.calls * 7 % 100:02d}{'-/%'[self.calls % 3]}{self.calls}"

    # Calls.

    @rule(account_id=ACCOUNTS, gap=GAPS, shift=SHIFTS, number=st.sampled_from([1, 1, 2, 4]))
    def start_calls(self, account_id: str, gap: int, shift: int, number: int) -> None:
        self.pass_time(gap)
        at_ms = self.since_signup(account_id, self.history.now_ms + min(shift, 0))
        for _ in range(number):
            self.send(self.history.start(self.new_call(), account_id, at_ms=at_ms))

    @rule(account_id=ACCOUNTS, number=PICKS, said=ENDS, shift=SHIFTS)
    def end_a_call(self, account_id: str, number: int, said: dict[str, Any], shift: int) -> None:
        calls = [call for call in self.remembered_calls(account_id) if not call.ends]
        # A start that came before the account was opened may be forgotten when the end comes.
        signup_ms = self.since_signup(account_id, 0)
        call = pick([call for call in calls if call.last_heard_ms >= signup_ms - DAY_MS], number)
        if call is not None:
            started = instant(call.start["occurred_at"]) if call.start else self.history.now_ms
            started += shift if abs(shift) < MINUTE_MS else 0
            self.end(call.call_id, account_id, self.since_signup(account_id, started), said)

    def end(self, call_id: str, account_id: str, started: int, said: dict[str, Any]) -> None:
        ended = started + 5 * SECOND_MS + said["lasted_ms"]
        if ended > self.history.now_ms:
            self.pass_time(ended - self.history.now_ms)
        self.send(self.history.end(call_id, account_id, started_ms=started, **said))

    @rule(account_id=ACCOUNTS, shift=SHIFTS, used=USED, then_start=st.booleans(), gap=GAPS)
    def end_alone(self, account_id: str, shift: int, used: list[str], then_start: bool, gap: int) -> None:
        self.pass_time(gap)
        call_id = self.new_call()
        started = self.since_signup(account_id, self.history.now_ms + min(shift, 0))
        self.end(call_id, account_id, started, plain_end(used))
        if then_start:
            self.send(self.history.start(call_id, account_id, at_ms=started))

    @rule(number=st.sampled_from([1, 2, 3, 5]), used=USED)
    def many_calls(self, number: int, used: list[str]) -> None:
        self.calls_in_a_row(number, used)

    def calls_in_a_row(self, number: int, used: list[str]) -> None:
        for _ in range(number):
            self.pass_time(MINUTE_MS)
            call_id, started = self.new_call(), self.history.now_ms
            self.send(self.history.start(call_id))
            self.end(call_id, "a", started, plain_end(used))

    @rule(
        number=st.sampled_from([3, 4, 6]),
        which=PICKS,
        how=st.sampled_from(["not real", "late", "unanswered"]),
        used=USED,
    )
    def calls_then_a_correction(self, number: int, which: int, how: str, used: list[str]) -> None:
        """Calls in a row, then one of them is corrected, or one before them all is told late: the others move."""
        self.pass_time(0)
        before_ms = self.history.now_ms
        self.calls_in_a_row(number, used)
        call = pick(self.known_calls("a")[-number:], which)
        if call is None or how == "late":
            self.end(self.new_call(), "a", before_ms, plain_end(used))
        elif how == "not real":
            self.send(self.history.add("call-reclassified", call_id=call.call_id, real=False))
        elif call.ends:
            self.end(call.call_id, "a", call.started_ms, plain_end([]) | {"answered": False, "outcome": "no_answer"})

    @rule(number=st.sampled_from([3, 4, 5]), order=st.randoms(use_true_random=False), used=USED)
    def calls_at_once(self, number: int, order: Any, used: list[str]) -> None:
        """Calls in progress together, ended in any order."""
        self.pass_time(MINUTE_MS)
        started = self.history.now_ms
        call_ids = [self.new_call() for _ in range(number)]
        for call_id in call_ids:
            self.send(self.history.start(call_id))
        order.shuffle(call_ids)
        for call_id in call_ids:
            self.end(call_id, "a", started, plain_end(used))

    @rule(account_id=ACCOUNTS, leg=LEGS, gap=GAPS, new=MAYBE, number=PICKS)
    def start_a_leg(self, account_id: str, leg: str | None, gap: int, new: bool, number: int) -> None:
        """A call that starts with a leg, or another leg of a known one."""
        self.pass_time(gap)
        known = pick(self.remembered_calls(account_id), number)
        call_id = self.new_call() if new or known is None else known.call_id
        self.send(self.history.start(call_id, account_id, **leg_of(leg)))

    @rule(account_id=ACCOUNTS, number=PICKS, leg=LEGS, said=ENDS, shift=SHIFTS)
    def end_a_leg(self, account_id: str, number: int, leg: str | None, said: dict[str, Any], shift: int) -> None:
        call = pick([call for call in self.remembered_calls(account_id) if call.starts or call.ends], number)
        if call is not None:
            started = self.since_signup(account_id, call.started_ms + shift)
            self.end(call.call_id, account_id, started, said | leg_of(leg))

    @rule(legs=st.lists(st.tuples(LEGS, ENDS), min_size=2, max_size=4), first=LEGS, starts=st.sets(LEGS, max_size=3))
    def call_by_legs(self, legs: list[tuple[str | None, dict[str, Any]]], first: str | None, starts: set[Any]) -> None:
        """One call of several legs, some of which are seen to start, ended in any order."""
        self.pass_time(MINUTE_MS)
        call_id, started = self.new_call(), self.history.now_ms
        for leg in [first, *sorted(starts, key=str)]:
            self.send(self.history.start(call_id, **leg_of(leg)))
        for number, (leg, said) in enumerate(legs):
            self.end(call_id, "a", started + number * SECOND_MS, said | leg_of(leg))

    @rule(account_id=ACCOUNTS, number=PICKS, said=ENDS, shift=SHIFTS)
    def contradict(self, account_id: str, number: int, said: dict[str, Any], shift: int) -> None:
        call = pick([call for call in self.remembered_calls(account_id) if call.ends], number)
        if call is not None:
            self.end(call.call_id, account_id, self.since_signup(account_id, call.started_ms + shift), said)

    @rule(account_id=ACCOUNTS, number=PICKS, real=st.booleans(), shift=SHIFTS, unknown=st.integers(0, 9))
    def reclassify(self, account_id: str, number: int, real: bool, shift: int, unknown: int) -> None:
        call = pick(self.remembered_calls(account_id), number)
        call_id = self.new_call() if call is None or unknown == 9 else call.call_id
        at_ms = self.history.now_ms + (shift if abs(shift) <= HOUR_MS else 0) * (shift < 0)
        self.send(self.history.add("call-reclassified", account_id, call_id=call_id, real=real, at_ms=at_ms))

    @rule(account_id=ACCOUNTS, number=PICKS)
    def start_again(self, account_id: str, number: int) -> None:
        call = pick(self.remembered_calls(account_id), number)
        if call is not None:
            self.send(self.history.start(call.call_id, account_id))

    @rule(account_id=ACCOUNTS, off=st.sampled_from([0, -1, 1, -DAY_MS]), ended=st.booleans())
    def around_the_signup(self, account_id: str, off: int, ended: bool) -> None:
        """A call from the first midnight of the account on, or from before it (rule G7)."""
        account = self.account(account_id)
        if account is None:
            return
        started = period_start(account.signup_ms, account.time_zone, 0) + off
        if ended:
            self.end(self.new_call(), account_id, started, plain_end(["live_agent"]))
        else:
            self.send(self.history.start(self.new_call(), account_id, at_ms=started))

    @rule(account_id=ACCOUNTS, number=PICKS, fault=st.sampled_from(FAULTS), known=MAYBE, again=MAYBE)
    def refused_start(self, account_id: str, number: int, fault: dict[str, Any], known: bool, again: bool) -> None:
        """A start that cannot be read, or from the wrong time, of a call with or without a decision (rule X2)."""
        call = None if known else pick(self.remembered_calls(account_id), number)
        call_id = self.new_call() if call is None else call.call_id
        at_ms = self.history.now_ms + (HOUR_MS if fault.get("occurred_at") == "ahead" else 0)
        fields = {name: value for name, value in fault.items() if value != "ahead"}
        wire = self.history.start(call_id, account_id, at_ms=at_ms, to="+1555", **fields)
        self.send(wire)
        if (
            again
            and wire["id"] is not None
            and self.expected[-1][-1:]
            and self.expected[-1][-1]["type"] == "dead-letter"
        ):
            self.history.wires.append(wire)
            self.send(wire)
