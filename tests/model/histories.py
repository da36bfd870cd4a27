"""Account histories as Hypothesis writes them: each rule adds inputs to a log, knowing where the naive model stands.

Time goes on in small gaps; once a clock has ticked, an input that would be from the future is preceded by a tick. Rules
that need something to work on (an ended call, an unanswered payment) do nothing where there is none.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.draws import (
    ACCOUNTS,
    DOLLARS,
    GAPS,
    MAYBE,
    ODD_AMOUNTS,
    PICKS,
    pick,
)
from tests.model.history import DOLLAR
from tests.model.naive_money import FEATURES
from tests.model.naive_time import DAY_MS, HOUR_MS
from tests.model.naive_wire import Wire
from tests.model.odd_histories import OddHistories


class Histories(OddHistories):
    """Adds settings, cards and money. `check` is called at the end of each history."""

    def check(self) -> None:
        raise NotImplementedError

    def unit(self, account_id: str) -> int:
        """What stands for a dollar in the account's currency: a tenth of its low balance."""
        account = self.account(account_id)
        return DOLLAR if account is None else account.money.low_balance // 10

    # Settings, cards, money.

    @rule(account_id=ACCOUNTS, feature=st.sampled_from(FEATURES), enabled=MAYBE)
    def switch(self, account_id: str, feature: str, enabled: bool) -> None:
        self.send(self.history.add("feature-set", account_id, feature=feature, enabled=enabled))

    @rule(levels=st.lists(st.sampled_from([0, 5, 10, 20, -2]), max_size=3), redirect=st.booleans())
    def set_thresholds(self, levels: list[int], redirect: bool) -> None:
        unit = self.unit("a")
        self.send(self.history.add("alert-thresholds-set", thresholds_micros=[level * unit for level in levels]))
        if redirect:
            self.send(self.history.add("redirect-set", redirect_to="+15550100"))

    @rule(account_id=ACCOUNTS, dollars=DOLLARS, odd=st.none() | ODD_AMOUNTS, back=st.integers(0, 3))
    def grant(self, account_id: str, dollars: int, odd: int | None, back: int) -> None:
        amount = odd or dollars * self.unit(account_id)
        self.send(self.history.grant(-amount if back == 3 else amount, account_id))

    @rule(account_id=ACCOUNTS, card=st.sampled_from(["pm1", "pm2", "pm3"]))
    def add_card(self, account_id: str, card: str) -> None:
        account = self.account(account_id)
        if account is not None and account.card(card) is None:
            self.send(self.history.card(card, account_id))

    @rule(account_id=ACCOUNTS, card=st.sampled_from(["pm1", "pm2"]), other=st.booleans())
    def add_card_again(self, account_id: str, card: str, other: bool) -> None:
        """The same card once more, or another card under its id."""
        fields: Wire = {"token": f"tok_other_{card}", "last4": "0005"} if other else {}
        self.send(self.history.card(card, account_id, **fields))

    @rule(account_id=ACCOUNTS, card=st.sampled_from(["pm1", "pm2", "pm3"]), removed=st.booleans())
    def change_card(self, account_id: str, card: str, removed: bool) -> None:
        kind = "payment-method-removed" if removed else "payment-method-defaulted"
        self.send(self.history.add(kind, account_id, payment_method_id=card))

    @rule(
        account_id=ACCOUNTS,
        dollars=DOLLARS,
        card=st.sampled_from([None, None, None, "pm2"]),
        again=st.integers(0, 5),
        answer=st.sampled_from(["succeeded", "succeeded", "succeeded", "stolen", None]),
        part=st.sampled_from([1, 1, 1, 2, 100, 1_000]),
    )
    def purchase(
        self, account_id: str, dollars: int, card: str | None, again: int, answer: str | None, part: int = 1
    ) -> None:
        number = len(self.history.wires) if again else 0
        fields: dict[str, Any] = {"purchase_id": f"p{number}", "amount_micros": dollars * self.unit(account_id) // part}
        fields |= {} if card is None else {"payment_method_id": card}
        self.send(self.history.add("credits-purchase-requested", account_id, **fields))
        account = self.account(account_id)
        if account is not None and account.payments and account.payments[-1].answer is None and answer is not None:
            self.answer(account_id, account.payments[-1].name, answer)

    @rule(
        enabled=MAYBE,
        dollars=st.none() | DOLLARS,
        threshold=st.sampled_from([None, None, 10, 5, 20]),
        card=st.sampled_from([None, None, "pm1", "pm2"]),
        limit=st.sampled_from([None, None, 20, 40, 0]),
        cents=st.sampled_from([0, 0, 0, 0, 1, 999]),
    )
    def set_refill(
        self, enabled: bool, dollars: int | None, threshold: int | None, card: str | None, limit: int | None, cents: int
    ) -> None:
        unit = self.unit("a")
        fields: dict[str, Any] = {
            "amount_micros": dollars and dollars * unit + cents * (unit // 1_000),
            "threshold_micros": threshold and threshold * unit,
            "payment_method_id": card,
            "monthly_limit_micros": None if limit is None else limit * unit,
        }
        self.send(self.history.add("auto-refill-set", enabled=enabled, **fields))

    @rule(
        account_id=ACCOUNTS,
        number=PICKS,
        answer=st.sampled_from(["succeeded", "succeeded", "try later", "try later", "stolen"]),
        gap=GAPS,
        again=st.integers(0, 3),
    )
    def answer_payment(self, account_id: str, number: int, answer: str, gap: int, again: int) -> None:
        account = self.account(account_id)
        if account is None:
            return
        self.pass_time(gap)
        clock = self.model.world.clock or 0
        again_ms = clock - 34 * DAY_MS  # A second answer is promised to be known as one for 35 days.
        waiting = [
            payment
            for payment in account.payments
            if payment.answer is None or (again == 3 and payment.answered_ms >= again_ms)
        ]
        payment = pick(waiting, number)
        if payment is not None:
            self.answer(account_id, payment.name, answer)

    def answer(self, account_id: str, payment_id: str, answer: str) -> None:
        if answer == "succeeded":
            self.send(self.history.add("payment-succeeded", account_id, payment_id=payment_id))
        else:
            fields: dict[str, Any] = {"reason": answer, "retryable": answer == "try later"}
            self.send(self.history.add("payment-declined", account_id, payment_id=payment_id, **fields))

    @rule(
        dollars=DOLLARS,
        limit=st.sampled_from([None, None, 20, 40]),
        answers=st.lists(st.sampled_from(["try later", "try later", "succeeded", "stolen"]), max_size=6),
        gap=st.sampled_from([0, 0, HOUR_MS, 20 * DAY_MS]),
    )
    def refill_with_answers(self, dollars: int, limit: int | None, answers: list[str], gap: int) -> None:
        """Refills asked for and answered one after the other, the credits gone each time, each retry waited for."""
        account = self.account("a")
        assert account is not None
        if account.card("pm1") is None:
            self.send(self.history.card("pm1"))
        unit = self.unit("a")
        fields: dict[str, Any] = {} if limit is None else {"monthly_limit_micros": limit * unit}
        self.send(self.history.add("auto-refill-set", enabled=True, amount_micros=dollars * unit, **fields))
        for answer in answers:
            enough = account.balance >= account.refill_threshold and account.money.whole(account.balance)
            if account.in_flight is None and enough:
                self.send(self.history.grant(-account.money.whole(account.balance)))
            if account.in_flight is not None and account.in_flight.retry_due_ms is not None:
                self.send(self.history.tick(max(account.in_flight.retry_due_ms, self.history.now_ms)))
            self.pass_time(gap)
            waiting = [payment for payment in account.payments if payment.purpose == "refill" and not payment.answer]
            if waiting:
                self.answer("a", waiting[-1].name, answer)

    @rule(account_id=ACCOUNTS, number=PICKS, answer=st.sampled_from([None, "stolen", "stolen", "succeeded"]))
    def refund(self, account_id: str, number: int, answer: str | None) -> None:
        account = self.account(account_id)
        names = sorted({payment.about for payment in account.payments if payment.about}) if account else []
        self.ask_refund(account_id, pick(names, number) or "p-unknown", answer)

    def ask_refund(self, account_id: str, name: str, answer: str | None) -> None:
        self.send(self.history.add("credits-refund-requested", account_id, purchase_id=name))
        account = self.account(account_id)
        payment = account.payments[-1] if account is not None and account.payments else None
        if payment is not None and payment.purpose == "refund" and payment.answer is None and answer is not None:
            self.answer(account_id, payment.name, answer)

    @rule(
        bought=st.lists(DOLLARS, min_size=1, max_size=3),
        used=DOLLARS,
        which=PICKS,
        answer=st.sampled_from([None, "stolen", "stolen", "succeeded"]),
        back=st.booleans(),
    )
    def buy_use_refund(self, bought: list[int], used: int, which: int, answer: str | None, back: bool) -> None:
        """Lots in a row, a part of them used, one refunded; perhaps credits back afterwards, from a corrected call."""
        account = self.account("a")
        assert account is not None
        if account.card("pm1") is None:
            self.send(self.history.card("pm1"))
        for dollars in bought:
            self.purchase("a", dollars, None, 1, "succeeded")
        self.send(self.history.grant(-used * self.unit("a")))
        names = [payment.about for payment in account.payments if payment.purpose == "purchase"]
        self.ask_refund("a", names[-1 - which % min(len(names), len(bought))], answer)
        charged = [call for call in self.remembered_calls("a") if call.charged]
        if back and charged:
            self.send(self.history.add("call-reclassified", call_id=charged[-1].call_id, real=False))

    def teardown(self) -> None:
        """Every purchase is asked to be refunded at the end: that shows what the real rules have left of each lot."""
        for account in self.model.accounts.values():
            for name in dict.fromkeys(payment.about for payment in account.payments if payment.about):
                self.send(self.history.add("credits-refund-requested", account.account_id, purchase_id=name))
        self.check()
