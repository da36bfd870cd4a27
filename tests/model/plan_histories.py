"""Account histories that mix both products: plans and their changes, and calls that use up minutes.

The plans are small, so that a few calls use up the minutes, reach a threshold, or are rounded.
"""

from dataclasses import fields, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.model.draws import ACCOUNTS, GAPS, MAYBE, PICKS, SIGNUPS, TIMES, pick
from tests.model.histories import Histories
from tests.model.history import DOLLAR
from tests.model.naive_minutes import used_in
from tests.model.naive_plans import AnyPlan, NaiveMinutes, NaivePlan
from tests.model.naive_time import DAY_MS, MINUTE_MS, SECOND_MS, instant, wire_time

CENT = DOLLAR // 100
# What a dollar is here in other currencies: amounts of dollars and cents come out as whole yen, and as 10 fils or more.
YEN_OF_A_DOLLAR = 100
DOLLARS_OF_A_DINAR = 10


def in_other_currencies(plan: AnyPlan, *codes: str) -> AnyPlan:
    """The same plan at prices in other currencies too. Rule K1."""
    money = [field.name for field in fields(plan) if field.name.endswith("_micros") and "quantum" not in field.name]
    prices = {name: getattr(plan, name) for name in money}
    others = {"JPY": {name: price * YEN_OF_A_DOLLAR for name, price in prices.items()}}
    others["KWD"] = {name: price // DOLLARS_OF_A_DINAR for name, price in prices.items()}
    return replace(plan, others={code: others[code] for code in codes})


SMALL = NaiveMinutes(
    "small", 10 * DOLLAR, included_minutes=2, outbound_micros=13 * CENT, card_threshold_micros=50 * CENT
)
EXACT = NaiveMinutes(
    "exact",
    10 * DOLLAR,
    included_minutes=1,
    first_s=1,
    next_s=1,
    quantum_micros=1_000,
    card_threshold_micros=20 * CENT,
)
FINE = NaiveMinutes(
    "fine",
    31 * DOLLAR,
    included_minutes=3,
    first_s=30,
    next_s=6,
    web_micros=85_000,
    card_threshold_micros=50 * CENT,
)
BIG = NaiveMinutes("big", 4_990 * CENT, included_minutes=0, first_s=60, next_s=1, card_threshold_micros=20 * CENT)
YEAR = NaiveMinutes("year", 10 * DOLLAR, "year", included_minutes=1, card_threshold_micros=50 * CENT)
YEAR_UP = NaiveMinutes("year-up", 1_250 * CENT, "year", included_minutes=4, card_threshold_micros=50 * CENT)
TINY = NaiveMinutes("tiny", 30 * CENT, included_minutes=1, web_micros=0, card_threshold_micros=DOLLAR)
MINUTES_PLANS: list[AnyPlan] = [
    in_other_currencies(SMALL, "JPY", "KWD"),
    EXACT,
    in_other_currencies(FINE, "JPY", "KWD"),
    in_other_currencies(BIG, "KWD"),
    in_other_currencies(YEAR, "JPY"),
    YEAR_UP,
    in_other_currencies(TINY, "JPY"),
]
NAMES = ["free", "plus", *(plan.name for plan in MINUTES_PLANS)]
SECONDS = st.sampled_from([60, 61, 90, 150, 59, 30, 31, 7, 1, 0])
DIRECTIONS = st.sampled_from(["inbound", "inbound", "outbound", "web"])
OPENED = st.sampled_from(["free", "plus", "small", "small", "exact", "fine", "big", "year", "tiny", "free"])
CODES = st.sampled_from([None, None, None, "USD", "JPY", "KWD"])
# Billed from so many days after the opening; before its period, which is refused.
BILLED = st.sampled_from([None, None, None, None, 0, 3, 40, -40])
FEES = st.sampled_from([100, 333, 0, 25, 100, 99_999_900])
BUYERS: st.SearchStrategy[dict[str, Any] | None] = st.sampled_from(
    [None, None, {"name": "Ada", "country": "DE"}, {"name": "", "address": "Main Street 1\nTown", "tax_id": None}]
)
NUMBERS = st.sampled_from(["+15550101", "+15550102"])


class PlanHistories(Histories):
    """Accounts on any plan; changes of plan, what else is billed, and calls of some seconds."""

    @initialize(
        included=st.sampled_from([2, 2, 0]),
        plans=st.tuples(OPENED, OPENED),
        signup=st.sampled_from(SIGNUPS),
        cents=st.sampled_from([10, 0, 20, 2_000]),
        code=CODES,
        billed=BILLED,
        parts=st.sets(st.sampled_from(["clock", "second account", "card", "tax", "number", "email", "moved in"])),
        time=TIMES,
    )
    def open_accounts(
        self,
        included: int,
        plans: tuple[str, str],
        signup: tuple[str, str],
        cents: int,
        code: str | None,
        billed: int | None,
        parts: set[str],
        time: str,
    ) -> None:
        """An account that is moved in signed up two periods before the clock. Rule G3."""
        free = in_other_currencies(NaivePlan(included_calls=included), "JPY", "KWD")
        plus = NaivePlan(included_calls=included, live_agent_micros=2 * DOLLAR, cap_micros=4 * DOLLAR, name="plus")
        self.plans = [free, plus, *MINUTES_PLANS]
        signup_ms = instant(signup[0])
        self.begin(signup_ms + 70 * DAY_MS * ("moved in" in parts), time, ticks="clock" in parts or "moved in" in parts)
        email: dict[str, Any] = {"billing_email": "bills@example.org"} if "email" in parts else {}
        currency: dict[str, Any] = {} if code is None else {"currency": code}
        begins: dict[str, Any] = (
            {} if billed is None else {"billing_from": wire_time(self.history.now_ms + billed * DAY_MS)}
        )
        self.send(self.history.open("a", plans[0], time_zone=signup[1], at_ms=signup_ms, **email, **currency, **begins))
        if self.account("a") is None:  # Refused: no such prices, or billed from before the running period.
            self.send(self.history.open("a", plans[0], time_zone=signup[1], **email))
        if "second account" in parts:
            self.send(self.history.open("b", plans[1]))
        for feature in ("extra_calls", "live_agent"):
            self.send(self.history.add("feature-set", "a", feature=feature, enabled=True))
        if cents:
            self.send(self.history.grant(cents * self.unit("a") // 100, "a"))
        if "card" in parts:
            self.send(self.history.card("pm1", "a"))
        if "tax" in parts:
            self.send(self.history.add("tax-rate-set", "a", rate_ppm=82_500))
        if "number" in parts:
            self.send(
                self.history.add("phone-number-added", "a", number="+15550101", monthly_fee_micros=2 * self.unit("a"))
            )

    @rule(account_id=ACCOUNTS, plan=st.sampled_from([*NAMES, "gold"]))
    def change_plan(self, account_id: str, plan: str) -> None:
        self.send(self.history.add("plan-change-requested", account_id, plan=plan))

    @rule(
        account_id=ACCOUNTS,
        then=st.sampled_from([None, None, "resume", "upgrade", "cancel again"]),
        plan=st.sampled_from(["fine", "big", "year-up", "free", "tiny"]),
    )
    def cancel(self, account_id: str, then: str | None, plan: str) -> None:
        self.send(self.history.add("subscription-cancel-requested", account_id))
        if then == "upgrade":
            self.change_plan(account_id, plan)
        elif then == "cancel again":
            self.send(self.history.add("subscription-cancel-requested", account_id))
        elif then == "resume":
            self.resume(account_id)

    @rule(account_id=ACCOUNTS)
    def resume(self, account_id: str) -> None:
        self.send(self.history.add("subscription-resume-requested", account_id))

    @rule(account_id=ACCOUNTS, plans=st.lists(st.sampled_from(NAMES), min_size=2, max_size=3))
    def change_plan_often(self, account_id: str, plans: list[str]) -> None:
        for plan in plans:
            self.change_plan(account_id, plan)

    @rule(account_id=ACCOUNTS, number=NUMBERS, cents=FEES, removed=st.booleans(), again=st.booleans())
    def change_number(self, account_id: str, number: str, cents: int, removed: bool, again: bool) -> None:
        """Fees of a fraction of a minor unit are refused. A number removed may be taken back at once."""
        added: dict[str, Any] = {"number": number, "monthly_fee_micros": cents * self.unit(account_id) // 100}
        if not removed or again:
            self.send(self.history.add("phone-number-added", account_id, **added))
        if removed:
            self.send(self.history.add("phone-number-removed", account_id, number=number))
            if again:
                self.send(self.history.add("phone-number-added", account_id, **added))

    @rule(account_id=ACCOUNTS)
    def remove_an_unknown_number(self, account_id: str) -> None:
        self.send(self.history.add("phone-number-removed", account_id, number="+15550199"))

    @rule(account_id=ACCOUNTS, rate=st.sampled_from([0, 82_500, 190_000, 33_333]), email=st.booleans(), buyer=BUYERS)
    def change_billing(self, account_id: str, rate: int, email: bool, buyer: dict[str, Any] | None) -> None:
        self.send(self.history.add("tax-rate-set", account_id, rate_ppm=rate))
        if email:
            self.send(self.history.add("billing-email-set", account_id, billing_email=f"{rate}@example.org"))
        if buyer is not None:
            self.send(self.history.add("billing-details-set", account_id, **buyer))

    @rule(account_id=ACCOUNTS, seconds=st.lists(SECONDS, min_size=1, max_size=5), direction=DIRECTIONS, gap=GAPS)
    def talk(self, account_id: str, seconds: list[int], direction: str, gap: int) -> None:
        """Whole calls one after the other, long enough to leave the included minutes behind."""
        for lasted_s in seconds:
            self.pass_time(gap)
            call_id, started = self.new_call(), self.history.now_ms
            self.send(self.history.start(call_id, account_id, direction=direction))
            said: dict[str, Any] = {"lasted_ms": lasted_s * SECOND_MS, "direction": direction}
            self.end(call_id, account_id, started, said)

    @rule(account_id=ACCOUNTS, beyond_s=st.sampled_from([0, 1, 30, 60]), direction=DIRECTIONS)
    def talk_to_the_end_of_the_pool(self, account_id: str, beyond_s: int, direction: str) -> None:
        account = self.account(account_id)
        if account is None or not isinstance(account.plan, NaiveMinutes):
            return
        used_ms = used_in(account, account.period_of(self.history.now_ms))
        left_s = max(0, account.plan.included_minutes * MINUTE_MS - used_ms) // SECOND_MS
        self.talk(account_id, [left_s + beyond_s], direction, 0)

    @rule(
        account_id=ACCOUNTS,
        number=PICKS,
        lasted_s=SECONDS,
        direction=DIRECTIONS,
        real=st.sampled_from([True, None]),
        moved=st.sampled_from([0, 0, -20 * DAY_MS]),
    )
    def contradict_plainly(
        self, account_id: str, number: int, lasted_s: int, direction: str, real: bool | None, moved: int
    ) -> None:
        """Another length or direction of a call that started when it did, or in an earlier period after all."""
        call = pick([call for call in self.remembered_calls(account_id) if call.ends], number)
        if call is not None:
            said = {"lasted_ms": lasted_s * SECOND_MS, "direction": direction, "real": real}
            self.end(call.call_id, account_id, self.since_signup(account_id, call.started_ms + moved), said)

    @rule(account_id=ACCOUNTS, number=PICKS, back=MAYBE)
    def not_real(self, account_id: str, number: int, back: bool) -> None:
        """A call that cost something was not real; perhaps it was after all."""
        calls = [call for call in self.remembered_calls(account_id) if call.charged or call.used_ms]
        call = pick(calls, number)
        for real in [False, True] if back and call is not None else [False] if call is not None else []:
            assert call is not None
            self.pass_time(SECOND_MS)
            self.send(self.history.add("call-reclassified", account_id, call_id=call.call_id, real=real))
