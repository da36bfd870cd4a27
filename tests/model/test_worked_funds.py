"""The naive model's reversals, cards and amounts against numbers worked out by hand, in dollars."""

import pytest

from tests.model.history import DOLLAR, History
from tests.model.naive_currency import CURRENCIES, half_away
from tests.model.naive_time import DAY_MS, HOUR_MS
from tests.model.naive_world import payment_name
from tests.model.test_worked_bills import FEBRUARY_END, answer, bought, requested, run
from tests.model.test_worked_examples import of_type


# Rules R1, R5, R6, R9: taken from a wallet that had used $12 of it, given back, and the reminder of each.
def test_a_dispute_takes_what_is_left_of_the_payment_and_a_won_one_gives_it_back() -> None:
    history = History()
    history.open()
    history.card()
    history.add("auto-refill-set", enabled=True, amount_micros=20 * DOLLAR, threshold_micros=0)
    asked = bought(history, 20)
    history.grant(-12 * DOLLAR)
    for kind, dollars in (("dispute", 15), ("dispute", 20), ("dispute_won", 20), ("dispute_won", 1)):
        payment_id = payment_name("a", asked["id"])
        history.add("payment-reversed", payment_id=payment_id, kind=kind, amount_micros=dollars * DOLLAR)
    model, facts = run(history)
    entries = of_type(facts[-4:], "ledger-entry-posted")
    assert [(entry["kind"], entry["amount_micros"] / DOLLAR) for entry in entries] == [
        ("reversal", -15),
        ("reversal", -5),
        ("reversal", 20),
    ]
    told = of_type(facts, "payment-reversed")
    assert [(fact["amount_micros"] / DOLLAR, fact["severity"]) for fact in told] == [
        (15, "critical"),
        (20, "critical"),
        (20, "info"),
        (1, "info"),
    ]
    assert [fact["reason"] for fact in of_type(facts, "refill-paused")] == ["dispute"]
    account = model.accounts["a"]
    assert (account.balance, account.paused) == (8 * DOLLAR, "dispute")


# Rule R7: a fee is not asked of a card in dispute; the owner's own purchase makes it used again, and the fee is asked.
def test_a_disputed_card_is_not_used_until_the_owner_uses_it() -> None:
    history = History()
    history.open(plan="professional")
    paid = history.card()
    answer(history, paid, "subscription")
    payment_id = payment_name("a", paid["id"], "subscription")
    history.add("payment-reversed", payment_id=payment_id, kind="dispute", amount_micros=49 * DOLLAR)
    history.tick(FEBRUARY_END)
    history.tick(FEBRUARY_END + 2 * DAY_MS)
    history.add("credits-purchase-requested", purchase_id="p1", amount_micros=DOLLAR)
    _, facts = run(history)
    (invoice,) = of_type(facts, "invoice-issued")
    assert (invoice["reversed_micros"], invoice["status"]) == (49 * DOLLAR, "paid")
    assert [(fact["purpose"], fact["reason"]) for fact in of_type(facts, "subscription-payment-declined")] == [
        ("subscription", "dispute")
    ]
    assert sorted(requested(facts[-1:])) == [("purchase", 1), ("subscription", 49)]


# Rules P7, P13: both payments of one refill succeed in the end, and one request gives both back.
def test_a_refill_credited_twice_is_refunded_by_one_request() -> None:
    history = History()
    history.open()
    history.card()
    history.tick()
    asked = history.add("auto-refill-set", enabled=True, amount_micros=20 * DOLLAR)
    answer(history, asked, "refill", "busy")
    retried = history.tick(history.now_ms + HOUR_MS)
    answer(history, asked, "refill")
    answer(history, retried, "refill")
    history.add("auto-refill-set", enabled=False)
    refill_id = "the-refill-by-i3-of-a"
    history.grant(-5 * DOLLAR)
    history.add("credits-refund-requested", purchase_id=refill_id)
    model, facts = run(history)
    assert asked["id"] == "i3"
    assert requested(facts) == [("refill", 20), ("refill", 20), ("refund", 15), ("refund", 20)]
    assert len(of_type(facts, "payment-contradicted")) == 1
    assert model.accounts["a"].balance == 0


# Rules K2, G13: micros, and what of them a card can be asked for.
@pytest.mark.parametrize(
    ("code", "amount", "payable"),
    [
        ("USD", 499_999, 0),
        ("USD", 500_000, 500_000),
        ("USD", 12_345_678, 12_340_000),
        ("USD", 1_000_000_000_000, 999_999_990_000),
        ("GBP", 300_000, 300_000),
        ("JPY", 49_000_000, 0),
        ("JPY", 50_900_000, 50_000_000),
        ("KWD", 9_999, 0),
        ("KWD", 1_239_000, 1_230_000),
    ],
)
def test_what_a_card_can_be_asked_for(code: str, amount: int, payable: int) -> None:
    assert CURRENCIES[code].payable_part(amount) == payable


@pytest.mark.parametrize(("amount", "rounded"), [(15, 20), (14, 10), (-15, -20), (-14, -10), (0, 0)])
def test_half_away_from_zero(amount: int, rounded: int) -> None:
    assert half_away(amount, 10) == rounded
