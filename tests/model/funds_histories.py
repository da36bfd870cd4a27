"""Account histories in which money comes back: late and contradicting answers, reversals, disputes, blocked cards."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.draws import ACCOUNTS, DOLLARS, GAPS, PICKS, pick
from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import NaivePayment
from tests.model.naive_time import DAY_MS
from tests.model.plan_histories import PlanHistories

KINDS = st.sampled_from(["dispute", "dispute", "refund", "refund", "dispute_won", "refund_failed"])
PURPOSES = st.sampled_from(["any", "purchase", "purchase", "refill", "refund", "subscription", "overage", "invoice"])
# Of the payment: all of it, parts, more than it was, a fraction of a minor unit.
PARTS = st.sampled_from([(1, 1, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0), (2, 1, 0), (1, 1, -1)])
REFERENCES = st.sampled_from([None, None, "ref-1", "ref-2"])
FIRST_ANSWERS = st.sampled_from(["declined", "declined", "succeeded"])
REMEMBERED_MS = 590 * DAY_MS  # A payment that succeeded is promised to be remembered for 600 days.


class FundsHistories(PlanHistories):
    """Adds what the payment provider says later than a first answer."""

    def answered(self, account: NaiveAccount, purpose: str) -> list[NaivePayment]:
        """Payments whose answer is promised to be remembered, and those without one."""
        clock = self.model.world.clock or 0
        within_ms = {"succeeded": REMEMBERED_MS, "declined": 34 * DAY_MS, None: REMEMBERED_MS}
        return [
            payment
            for payment in account.payments
            if purpose in ("any", payment.purpose) and payment.answered_ms + within_ms[payment.answer] >= clock
        ]

    def some_payment(self, account: NaiveAccount, purpose: str, which: int, answer: str | None) -> NaivePayment | None:
        """One with that answer, None for any; where there is none, one that waits is answered or credits bought."""
        found = [p for p in self.answered(account, purpose) if answer is None or p.answer == answer]
        if found:
            return pick(found, which)
        how = "try later" if answer == "declined" else "succeeded"
        waiting = [p for p in account.payments if p.answer is None and purpose in ("any", p.purpose)]
        payment = pick(waiting, which)
        if payment is not None:
            self.answer(account.account_id, payment.name, how)
            return payment
        if account.card("pm1") is None:
            self.send(self.history.card("pm1", account.account_id))
        self.purchase(account.account_id, 10, "pm1", 1, how)
        return account.payments[-1] if account.payments else None

    @rule(account_id=ACCOUNTS, purpose=PURPOSES, which=PICKS, kind=KINDS, part=PARTS, reference=REFERENCES, gap=GAPS)
    def reverse(
        self,
        account_id: str,
        purpose: str,
        which: int,
        kind: str,
        part: tuple[int, int, int],
        reference: str | None,
        gap: int,
    ) -> None:
        account = self.account(account_id)
        payment = self.some_payment(account, purpose, which, None) if account is not None else None
        if account is None or payment is None:
            return
        self.pass_time(gap)
        amount = account.money.whole(payment.amount * part[0] // part[1]) + part[2]
        self.say_reversed(account_id, payment, kind, max(amount, 1), reference)

    def say_reversed(
        self, account_id: str, payment: NaivePayment, kind: str, amount: int, reference: str | None = None
    ) -> None:
        fields: dict[str, Any] = {"payment_id": payment.name, "kind": kind, "amount_micros": amount}
        fields |= {} if reference is None else {"provider_reference": reference}
        self.send(self.history.add("payment-reversed", account_id, **fields))

    @rule(
        account_id=ACCOUNTS,
        purpose=PURPOSES,
        which=PICKS,
        then=st.lists(
            st.sampled_from(["won", "won in part", "added", "another", "defaulted", "bought", "pm2", "tick", "talk"]),
            min_size=1,
            max_size=4,
        ),
        used=st.sampled_from([0, 0, 3, 20]),
    )
    def dispute(self, account_id: str, purpose: str, which: int, then: list[str], used: int) -> None:
        """A payment is disputed, perhaps when its credits are used; then what may make its card be used again."""
        account = self.account(account_id)
        if account is None:
            return
        payment = self.some_payment(account, purpose, which, "succeeded")
        if payment is None:
            return
        if used:
            self.send(self.history.grant(-used * self.unit(account_id), account_id))
        self.say_reversed(account_id, payment, "dispute", payment.amount)
        card = payment.card["payment_method_id"]
        for what in then:
            if what in ("won", "won in part"):
                amount = account.money.whole(payment.amount // (1 if what == "won" else 2))
                self.say_reversed(account_id, payment, "dispute_won", max(amount, 1))
            elif what in ("added", "another"):
                self.add_card_again(account_id, card, what == "another")
            elif what in ("defaulted", "pm2"):
                self.change_card(account_id, card if what == "defaulted" else "pm2", removed=False)
            elif what == "bought":
                self.purchase(account_id, 10, card, 1, None)
            elif what == "tick":
                self.tick(DAY_MS)
            else:
                self.talk(account_id, [150], "inbound", 0)

    @rule(account_id=ACCOUNTS, purpose=PURPOSES, which=PICKS, gap=GAPS, again=st.booleans(), first=FIRST_ANSWERS)
    def contradict_an_answer(
        self, account_id: str, purpose: str, which: int, gap: int, again: bool, first: str
    ) -> None:
        """A success after a decline, or the other way round, once or twice."""
        account = self.account(account_id)
        payment = self.some_payment(account, purpose, which, first) if account is not None else None
        if payment is None:
            return
        self.pass_time(gap)
        answers = ["succeeded", "stolen"] if payment.answer == "declined" else ["try later", "succeeded"]
        for answer in answers if again else answers[:1]:
            self.answer(account_id, payment.name, answer)

    @rule(
        dollars=DOLLARS,
        first_late=st.sampled_from(["before", "between", "after", "never"]),
        second=st.sampled_from(["succeeded", "try later", "stolen"]),
        used=st.sampled_from([0, 3, 10]),
        then=st.sampled_from(["refund", "dispute", None]),
    )
    def refill_that_two_payments_credit(
        self, dollars: int, first_late: str, second: str, used: int, then: str | None
    ) -> None:
        """A refill is declined, asked for again, and the first payment succeeds after all. Rules P7, P13."""
        account = self.account("a")
        assert account is not None
        self.refill_with_answers(dollars, None, ["try later"], 0)
        refill = account.in_flight
        if refill is None or refill.retry_due_ms is None:
            return
        first = refill.payment
        if first_late == "before":
            self.answer("a", first.name, "succeeded")
        if refill.retry_due_ms is not None:
            self.send(self.history.tick(max(refill.retry_due_ms, self.history.now_ms)))
        if first_late == "between":
            self.answer("a", first.name, "succeeded")
        if refill.payment is not first:
            self.answer("a", refill.payment.name, second)
        if first_late == "after":
            self.answer("a", first.name, "succeeded")
        if used:
            self.send(self.history.grant(-used * self.unit("a")))
        if then == "refund":
            self.ask_refund("a", refill.name, "stolen")
        elif then == "dispute" and first.answer == "succeeded":
            self.say_reversed("a", first, "dispute", first.amount)

    @rule(number=st.sampled_from([1, 3]), which=PICKS, answer=st.sampled_from(["stolen", "succeeded", None]))
    def refund_while_calls_are_open(self, number: int, which: int, answer: str | None) -> None:
        account = self.account("a")
        assert account is not None
        self.start_calls("a", 0, 0, number)
        names = [payment.about for payment in account.payments if payment.purpose == "purchase"]
        name = pick(names, which)
        if name is not None:
            self.ask_refund("a", name, answer)
