"""Account histories that mix both products: bills and their answers, and the ends of billing periods."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.draws import ACCOUNTS, GAPS, PICKS, pick
from tests.model.naive_account import NaiveAccount, NaivePayment
from tests.model.naive_charge import start_of_period
from tests.model.naive_time import DAY_MS, MINUTE_MS, SECOND_MS
from tests.model.plan_histories import SECONDS, PlanHistories

FIRST = st.sampled_from(["overage", "overage", "subscription", "invoice"])
BILLS = st.sampled_from(["subscription", "invoice"])
ANSWERS = st.sampled_from([["try later"] * 4, ["stolen"] * 2 + ["succeeded"], ["succeeded"] * 6]) | st.lists(
    st.sampled_from(["succeeded", "succeeded", "succeeded", "try later", "stolen"]), min_size=1, max_size=6
)


class BillingHistories(PlanHistories):
    """Adds what the card answers, and time that passes from one boundary to the next."""

    def bills_to_answer(self, account: NaiveAccount, first: str) -> list[NaivePayment]:
        """What is asked of the card for bills and overage, what is to be answered first at the end."""
        purposes = ("overage", "subscription", "invoice")
        waiting = [payment for payment in account.payments if payment.answer is None and payment.purpose in purposes]
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

    @rule(account_id=ACCOUNTS, first=BILLS, then=st.sampled_from(["stolen", "succeeded", None]))
    def give_up_and_take_another_card(self, account_id: str, first: str, then: str | None) -> None:
        """A bill is declined until nobody asks any more; then another card is, which may decline as well."""
        account = self.account(account_id)
        payment = pick(self.bills_to_answer(account, first), 0) if account is not None else None
        bill = payment.bill if payment is not None else None
        if account is None or bill is None:
            return
        for answer in ["try later", "stolen", "try later", "stolen", then]:
            if bill.state == "retrying":
                self.send(self.history.tick(max(bill.retry_due_ms, self.history.now_ms)))
            elif bill.state == "exhausted":
                self.another_default_card(account_id, "pm2" if account.default_card == "pm1" else "pm1")
            for asked in [payment for payment in account.payments if payment.bill is bill and not payment.answer]:
                if answer is not None:
                    self.pass_time(MINUTE_MS)
                    self.answer(account_id, asked.name, answer)

    def wait_for_a_retry(self, account: NaiveAccount) -> None:
        retries = [bill.retry_due_ms for bill in account.billing.bills if bill.state == "retrying"]
        if retries:
            self.send(self.history.tick(max(min(retries), self.history.now_ms)))

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

    @rule(account_id=ACCOUNTS, cancels=st.booleans(), plan=st.sampled_from(["free", "small", None]))
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
