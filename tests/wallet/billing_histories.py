"""Account histories that mix both products: minutes plans, changes of plan, bills and their answers, period ends.

The plans are small, so that a few calls use up the minutes, reach a threshold, or are rounded.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.wallet.draws import ACCOUNTS, GAPS, MAYBE, PICKS, SIGNUPS, pick
from tests.wallet.histories import Histories
from tests.wallet.history import DOLLAR, History
from tests.wallet.naive_account import NaiveAccount, NaivePayment
from tests.wallet.naive_charge import start_of_period
from tests.wallet.naive_minutes import used_in
from tests.wallet.naive_model import NaiveModel
from tests.wallet.naive_plans import NaiveMinutes, NaivePlan
from tests.wallet.naive_time import DAY_MS, MINUTE_MS, SECOND_MS, instant

CENT = DOLLAR // 100
MINUTES_PLANS = [
    NaiveMinutes("small", 10 * DOLLAR, included_minutes=2, outbound_micros=13 * CENT, card_threshold_micros=50 * CENT),
    NaiveMinutes(
        "exact",
        10 * DOLLAR,
        included_minutes=1,
        first_s=1,
        next_s=1,
        quantum_micros=1_000,
        card_threshold_micros=50 * CENT,
    ),
    NaiveMinutes(
        "fine",
        31 * DOLLAR,
        included_minutes=3,
        first_s=30,
        next_s=6,
        web_micros=85_000,
        card_threshold_micros=50 * CENT,
    ),
    NaiveMinutes("big", 4_999 * CENT, included_minutes=0, first_s=60, next_s=1, card_threshold_micros=20 * CENT),
    NaiveMinutes("year", 10 * DOLLAR, "year", included_minutes=1, card_threshold_micros=50 * CENT),
    NaiveMinutes("year-up", 1_250 * CENT, "year", included_minutes=4, card_threshold_micros=50 * CENT),
]
NAMES = ["free", "plus", *(plan.name for plan in MINUTES_PLANS)]
SECONDS = st.sampled_from([60, 61, 90, 150, 59, 30, 31, 7, 1, 0])
DIRECTIONS = st.sampled_from(["inbound", "inbound", "outbound", "web"])
NUMBERS = st.sampled_from(["+15550101", "+15550102"])
ANSWERS = st.sampled_from([["try later"] * 9, ["stolen"] * 5 + ["succeeded"], ["succeeded"] * 4]) | st.lists(
    st.sampled_from(["succeeded", "succeeded", "try later", "stolen"]), min_size=1, max_size=5
)


class BillingHistories(Histories):
    @initialize(
        included=st.sampled_from([2, 2, 0]),
        plans=st.tuples(*[st.sampled_from(["free", "plus", "small", "small", "exact", "fine", "big", "year"])] * 2),
        signup=st.sampled_from(SIGNUPS),
        cents=st.sampled_from([10, 0, 20, 2_000]),
        parts=st.sets(st.sampled_from(["clock", "second account", "card", "tax", "number", "email"])),
    )
    def open_accounts(
        self, included: int, plans: tuple[str, str], signup: tuple[str, str], cents: int, parts: set[str]
    ) -> None:
        free = NaivePlan(included_calls=included)
        plus = NaivePlan(included_calls=included, live_agent_micros=2 * DOLLAR, cap_micros=4 * DOLLAR, name="plus")
        self.plans = [free, plus, *MINUTES_PLANS]
        self.model = NaiveModel(*self.plans)
        self.history = History(instant(signup[0]))
        if "clock" in parts:
            self.send(self.history.tick())
        email = {"billing_email": "bills@example.org"} if "email" in parts else {}
        self.send(self.history.open("a", plans[0], time_zone=signup[1], **email))
        if "second account" in parts:
            self.send(self.history.open("b", plans[1]))
        for feature in ("extra_calls", "live_agent"):
            self.send(self.history.add("feature-set", "a", feature=feature, enabled=True))
        if cents:
            self.send(self.history.grant(cents * CENT, "a"))
        if "card" in parts:
            self.send(self.history.card("pm1", "a"))
        if "tax" in parts:
            self.send(self.history.add("tax-rate-set", "a", rate_ppm=82_500))
        if "number" in parts:
            self.send(self.history.add("phone-number-added", "a", number="+15550101", monthly_fee_micros=2 * DOLLAR))

    @rule(account_id=ACCOUNTS, plan=st.sampled_from([*NAMES, "gold"]))
    def change_plan(self, account_id: str, plan: str) -> None:
        self.send(self.history.add("plan-change-requested", account_id, plan=plan))

    @rule(account_id=ACCOUNTS, resumed=st.sampled_from([False, False, True]))
    def cancel_or_resume(self, account_id: str, resumed: bool) -> None:
        kind = "subscription-resume-requested" if resumed else "subscription-cancel-requested"
        self.send(self.history.add(kind, account_id))

    @rule(account_id=ACCOUNTS, number=NUMBERS, fee=st.sampled_from([DOLLAR, 3_330_000]), removed=st.booleans())
    def change_number(self, account_id: str, number: str, fee: int, removed: bool) -> None:
        account = self.account(account_id)
        known = [] if account is None else [one for one in account.billing.numbers if one.number == number]
        if not removed:
            self.send(self.history.add("phone-number-added", account_id, number=number, monthly_fee_micros=fee))
        elif account is not None and (not known or known[-1].removed_ms is None or self.is_now(account, known[-1])):
            self.send(self.history.add("phone-number-removed", account_id, number=number))

    def is_now(self, account: NaiveAccount, number: Any) -> bool:
        """A number removed in an earlier period is forgotten some time; nobody says when."""
        return account.period_of(number.removed_ms) == account.billing.next_period

    @rule(account_id=ACCOUNTS, rate=st.sampled_from([0, 82_500, 190_000]), email=st.booleans())
    def change_billing(self, account_id: str, rate: int, email: bool) -> None:
        self.send(self.history.add("tax-rate-set", account_id, rate_ppm=rate))
        if email:
            self.send(self.history.add("billing-email-set", account_id, billing_email=f"{rate}@example.org"))

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

    @rule(account_id=ACCOUNTS, number=PICKS, lasted_s=SECONDS, direction=DIRECTIONS, real=st.sampled_from([True, None]))
    def contradict_plainly(
        self, account_id: str, number: int, lasted_s: int, direction: str, real: bool | None
    ) -> None:
        """Another length or direction of a call that started when it did."""
        call = pick([call for call in self.remembered_calls(account_id) if call.ends], number)
        if call is not None:
            said = {"lasted_ms": lasted_s * SECOND_MS, "direction": direction, "real": real}
            self.end(call.call_id, account_id, call.started_ms, said)

    @rule(account_id=ACCOUNTS, number=PICKS, back=MAYBE)
    def not_real(self, account_id: str, number: int, back: bool) -> None:
        """A call that cost something was not real; perhaps it was after all."""
        calls = [call for call in self.remembered_calls(account_id) if call.charged or call.used_ms]
        call = pick(calls, number)
        for real in [False, True] if back and call is not None else [False] if call is not None else []:
            assert call is not None
            self.pass_time(SECOND_MS)
            self.send(self.history.add("call-reclassified", account_id, call_id=call.call_id, real=real))

    # Answers, and time passing from one thing that is due to the next.

    def bills_to_answer(self, account: NaiveAccount) -> list[NaivePayment]:
        return [
            payment
            for payment in account.payments
            if payment.answer is None and payment.purpose in ("overage", "subscription", "invoice")
        ]

    @rule(account_id=ACCOUNTS, answers=ANSWERS, which=PICKS, gap=GAPS)
    def answer_bills(self, account_id: str, answers: list[str], which: int, gap: int) -> None:
        """What is asked of the card is answered, each retry waited for."""
        account = self.account(account_id)
        if account is None:
            return
        for answer in answers:
            retries = [bill.retry_due_ms for bill in account.billing.bills if bill.state == "retrying"]
            if not self.bills_to_answer(account) and retries:
                self.send(self.history.tick(max(min(retries), self.history.now_ms)))
            payment = pick(self.bills_to_answer(account), which)
            if payment is not None:
                self.pass_time(gap)
                self.answer(account_id, payment.name, answer)

    @rule(account_id=ACCOUNTS, card=st.sampled_from(["pm1", "pm2", "pm3"]))
    def another_default_card(self, account_id: str, card: str) -> None:
        self.add_card(account_id, card)
        self.send(self.history.add("payment-method-defaulted", account_id, payment_method_id=card))

    @rule(
        account_id=ACCOUNTS,
        off=st.sampled_from([0, 0, 0, -1, 1, MINUTE_MS, 2 * DAY_MS]),
        more=st.sampled_from([0, 0, 0, 1, 2, 11]),
    )
    def tick_to_the_boundary(self, account_id: str, off: int, more: int) -> None:
        account = self.account(account_id)
        if account is not None:
            boundary = start_of_period(account, account.billing.next_period + 1 + more)
            self.send(self.history.tick(max(boundary + off, self.history.now_ms)))

    @rule(
        account_id=ACCOUNTS,
        off=st.sampled_from([-1, 0, -30 * SECOND_MS, SECOND_MS]),
        lasted_s=SECONDS,
        between=st.sampled_from(["tick", "cancel", "resume", "small", "fine", "free", "start", None, None]),
    )
    def call_at_the_boundary(self, account_id: str, off: int, lasted_s: int, between: str | None) -> None:
        """A call that starts about when the period ends, before the tick that says so; perhaps something with it."""
        account = self.account(account_id)
        if account is None:
            return
        boundary = start_of_period(account, account.period_of(self.history.now_ms) + 1)
        self.pass_time(boundary - MINUTE_MS - self.history.now_ms)
        call_id, started = self.new_call(), boundary + off
        if between in ("small", "fine", "free"):
            self.history.now_ms = max(self.history.now_ms, started)
            self.change_plan(account_id, between)
        elif between in ("cancel", "resume"):
            self.cancel_or_resume(account_id, between == "resume")
        self.send(self.history.start(call_id, account_id, at_ms=started))
        if between == "tick":
            self.send(self.history.tick(boundary))
        if between != "start":
            ended_ms = started + 5 * SECOND_MS + lasted_s * SECOND_MS
            self.history.now_ms = max(self.history.now_ms, ended_ms)
            self.send(self.history.end(call_id, account_id, started_ms=started, lasted_ms=lasted_s * SECOND_MS))
