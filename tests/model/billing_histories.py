"""Account histories that mix both products: bills and their answers, and the ends of billing periods."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.draws import ACCOUNTS, GAPS, PICKS, pick
from tests.model.funds_histories import FundsHistories
from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import NaivePayment
from tests.model.naive_charge import start_of_period
from tests.model.naive_time import DAY_MS, MINUTE_MS, SECOND_MS
from tests.model.plan_histories import SECONDS

FIRST = st.sampled_from(["overage", "overage", "subscription", "invoice"])
BILLS = ("overage", "subscription", "invoice")
ANSWERS = st.sampled_from([["try later"] * 4, ["stolen"] * 2 + ["succeeded"], ["succeeded"] * 6]) | st.lists(
    st.sampled_from(["succeeded", "succeeded", "succeeded", "try later", "stolen"]), min_size=1, max_size=6
)


class BillingHistories(FundsHistories):
    """Adds what the card answers, and time that passes from one boundary to the next."""

    def bills_to_answer(self, account: NaiveAccount, first: str) -> list[NaivePayment]:
        """What is asked of the card for bills and overage, what is to be answered first at the end."""
        waiting = [payment for payment in account.payments if payment.answer is None and payment.purpose in BILLS]
        return sorted(waiting, key=lambda payment: payment.purpose == first)

    @rule(account_id=ACCOUNTS, answers=ANSWERS, which=PICKS, gap=GAPS, first=FIRST)
    def answer_bills(self, account_id: str, answers: list[str], which: int, gap: int, first: str) -> None:
        """What is asked of the card is answered, each retry waited for."""
        account = self.account(account_id)
        if account is None:
            return
        for answer in answers:
            if not self.bills_to_answer(account, first):
                self.wait_for_a_retry(account)
            payment = pick(self.bills_to_answer(account, first), which)
            if payment is not None:
                self.pass_time(gap)
                self.answer(account_id, payment.name, answer)

    @rule(account_id=ACCOUNTS, first=FIRST, then=st.sampled_from(["stolen", "succeeded", None]), late=st.booleans())
    def give_up_and_take_another_card(self, account_id: str, first: str, then: str | None, late: bool) -> None:
        """A bill is declined until nobody asks any more; then another card is, which may decline as well.

        `late`: what was declined first succeeds in the end after all.
        """
        account = self.account(account_id)
        payment = pick(self.bills_to_answer(account, first), 0) if account is not None else None
        if account is None or payment is None:
            return
        asked: NaivePayment | None = payment
        for answer in ["try later", "stolen", "try later", "stolen"]:
            if asked is None:
                self.wait_for_a_retry(account)
                asked = pick(self.bills_to_answer(account, payment.purpose), 0)
            if asked is not None:
                self.pass_time(MINUTE_MS)
                self.answer(account_id, asked.name, answer)
            asked = None
        self.another_default_card(account_id, "pm2" if account.default_card == "pm1" else "pm1")
        if late:
            self.answer(account_id, payment.name, "succeeded")
        for asked in self.bills_to_answer(account, first):
            if then is not None:
                self.answer(account_id, asked.name, then)

    def wait_for_a_retry(self, account: NaiveAccount) -> None:
        billing = account.billing
        all_retries = [billing.overage, *(fee.retries for fee in billing.fees)]
        all_retries += [invoice.retries for invoice in billing.invoices]
        waits = [retries.due_ms for retries in all_retries if retries.due_ms is not None]
        if waits:
            self.send(self.history.tick(max(min(waits), self.history.now_ms)))

    @rule(
        account_id=ACCOUNTS,
        first=FIRST,
        when=st.sampled_from(["at once", "asked again", "next period", "next period"]),
        again=st.sampled_from([None, "succeeded", "try later"]),
    )
    def succeed_late(self, account_id: str, first: str, when: str, again: str | None) -> None:
        """A bill is declined and succeeds after all: before it is asked for again, after that, or on an invoice."""
        account = self.account(account_id)
        payment = pick(self.bills_to_answer(account, first), 0) if account is not None else None
        if account is None or payment is None:
            return
        self.answer(account_id, payment.name, "try later")
        if when == "asked again":
            self.wait_for_a_retry(account)
        elif when == "next period":
            self.tick_to_the_boundary(account_id, 0, 0)
        others = self.bills_to_answer(account, first)
        self.answer(account_id, payment.name, "succeeded")
        for other in others:
            if again is not None:
                self.answer(account_id, other.name, again)

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

    @rule(account_id=ACCOUNTS, cancels=st.booleans(), plan=st.sampled_from(["free", "small", "tiny", None]))
    def pay_all_and_end_the_term(self, account_id: str, cancels: bool, plan: str | None) -> None:
        """Nothing is open when the term ends; a subscription that was cancelled may begin anew, on any plan."""
        account = self.account(account_id)
        if account is None:
            return
        for payment in self.bills_to_answer(account, "overage"):
            self.answer(account_id, payment.name, "succeeded")
        if cancels:
            self.cancel(account_id, None, "free")
        subscription = account.billing.subscription
        if subscription is not None:
            ends_ms = start_of_period(account, subscription.end_period)
            self.send(self.history.tick(max(ends_ms, self.history.now_ms)))
        if plan is not None:
            self.change_plan(account_id, plan)

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
            self.cancel(account_id, None if between == "cancel" else "resume", "free")
        self.send(self.history.start(call_id, account_id, at_ms=started))
        if between == "tick":
            self.send(self.history.tick(boundary))
        if between != "start":
            ended_ms = started + 5 * SECOND_MS + lasted_s * SECOND_MS
            self.history.now_ms = max(self.history.now_ms, ended_ms)
            self.send(self.history.end(call_id, account_id, started_ms=started, lasted_ms=lasted_s * SECOND_MS))
