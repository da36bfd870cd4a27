"""Which of Stripe's disputes and refunds move the money of a payment, and how much. Rules G14, R1 and R2."""

import pytest
from msgspec import convert
from msgspec.structs import replace

from payments.adapter.changes import apply_outcome
from payments.outcome import Succeeded
from payments.payment_state import PaymentState
from payments.providers.stripe_objects import Refund
from payments.providers.stripe_reversals import (
    CLOSED_PAUSE_MS,
    MAY_FAIL_MS,
    OPEN_PAUSE_MS,
    BalanceTransaction,
    Dispute,
    look_at_charge,
    look_at_own_refund,
)
from payments.reversal import Reversal
from schemas.instant import DAY_MS, SECOND_MS
from tests.payments.requests import REQUESTED_MS, opened, refund, request

CREATED = REQUESTED_MS // SECOND_MS + 100
NOW_MS = REQUESTED_MS + 3 * DAY_MS
TAKEN, BACK = BalanceTransaction(-2_000, "usd", CREATED + 1), BalanceTransaction(2_000, "usd", CREATED + 2)
AGAIN, FEE = BalanceTransaction(-2_000, "usd", CREATED + 3), BalanceTransaction(-1_500, "usd", CREATED, "stripe_fee")

PART, PART_2 = BalanceTransaction(700, "usd", CREATED + 4), BalanceTransaction(500, "usd", CREATED + 5)
MORE = BalanceTransaction(2_100, "usd", CREATED + 6)
HALF, HALF_2 = BalanceTransaction(-1_200, "usd", CREATED), BalanceTransaction(-800, "usd", CREATED + 1)


def paid(currency: str = "USD", amount_micros: int = 20_000_000) -> PaymentState:
    """A payment that succeeded."""
    row = opened(request("a-1/buy/1", currency=currency, amount_micros=amount_micros))
    return apply_outcome(row, Succeeded("pi_1"), REQUESTED_MS)


PAID = paid()


def dispute(status: str, *moves: BalanceTransaction, **changed: object) -> Dispute:
    fields = {"id": "du_1", "status": status, "amount": 2_000, "currency": "usd", "created": CREATED, **changed}
    return Dispute(balance_transactions=moves, **fields)  # type: ignore[arg-type]  # a table of fields


def found(payment: PaymentState, disputes: list[Dispute], refunds: list[Refund] | None = None) -> list[str]:
    """Kind, reference and dollars of each reversal."""
    looked = look_at_charge(payment, disputes, refunds or [], NOW_MS)
    return [f"{one.kind} {one.reference} {one.amount_micros / 1_000_000}" for one in looked.reversals]


TOOK, WON = "dispute du_1 20.0", "dispute_won du_1 20.0"


@pytest.mark.parametrize(
    ("status", "moves", "expected"),
    [
        # status of the dispute, movements of our balance, reversals
        ("warning_needs_response", (), []),
        ("warning_under_review", (), []),
        ("warning_closed", (), []),
        ("prevented", (), []),
        ("needs_response", (TAKEN,), [TOOK]),
        ("under_review", (TAKEN,), [TOOK]),
        ("lost", (TAKEN,), [TOOK]),
        ("appeal_under_review", (TAKEN,), [TOOK]),
        ("a_status_of_next_year", (TAKEN,), [TOOK]),
        ("prevented", (TAKEN,), [TOOK]),
        # The movement is not listed yet.
        ("needs_response", (), [TOOK]),
        ("won", (TAKEN,), [TOOK, WON]),
        # Found only after its end, or reinstated before its end.
        ("won", (TAKEN, BACK), [TOOK, WON]),
        ("under_review", (TAKEN, BACK), [TOOK, WON]),
        # Won before anything was taken.
        ("won", (), []),
        # The bank took the money back a second time.
        ("needs_response", (TAKEN, BACK, AGAIN), [TOOK, WON, "dispute du_1/2 20.0"]),
        ("won", (TAKEN, BACK, AGAIN), [TOOK, WON, "dispute du_1/2 20.0", "dispute_won du_1/2 20.0"]),
        # A part is reinstated, and later another part; never more than was withdrawn.
        ("under_review", (TAKEN, PART), [TOOK, "dispute_won du_1 7.0"]),
        ("won", (TAKEN, PART, PART_2), [TOOK, "dispute_won du_1 7.0", "dispute_won du_1/2 5.0"]),
        ("won", (TAKEN, PART, MORE), [TOOK, "dispute_won du_1 7.0", "dispute_won du_1/2 13.0"]),
        # Withdrawn in two parts, reinstated in one.
        ("won", (HALF, HALF_2, BACK), ["dispute du_1 12.0", "dispute du_1/2 8.0", WON]),
        # Stripe's fee is not the payment's money.
        ("needs_response", (FEE, TAKEN), [TOOK]),
        ("warning_closed", (FEE,), []),
    ],
)
def test_r1_a_dispute_takes_what_was_withdrawn_and_gives_back_what_was_reinstated(
    status: str, moves: tuple[BalanceTransaction, ...], expected: list[str]
) -> None:
    assert found(PAID, [dispute(status, *moves)]) == expected


def test_r1_an_inquiry_takes_nothing_until_it_becomes_a_dispute_and_its_end_gives_back_nothing() -> None:
    assert found(PAID, [dispute("warning_needs_response")]) == []
    assert found(PAID, [dispute("warning_closed")]) == []
    assert found(PAID, [dispute("needs_response", TAKEN)]) == [TOOK]


def test_r1_each_dispute_and_refund_of_a_payment_counts_by_itself() -> None:
    """Two parts of the payment are disputed, one of them is won, and a third part is refunded by hand."""
    first = dispute("lost", BalanceTransaction(-600, "usd", CREATED), amount=600)
    moves = BalanceTransaction(-400, "usd", CREATED + 1), BalanceTransaction(400, "usd", CREATED + 2)
    second = dispute("won", *moves, amount=400, id="du_2")
    inquiry = dispute("warning_under_review", id="du_3")
    refunds = [by_hand("succeeded", created=CREATED + 3), by_hand("succeeded", id="re_2", created=CREATED + 4)]
    assert found(PAID, [first, second, inquiry], refunds) == [
        "dispute du_1 6.0",
        "dispute du_2 4.0",
        "dispute_won du_2 4.0",
        "refund re_1 5.0",
        "refund re_2 5.0",
    ]


def test_r1_a_dispute_that_was_sent_is_won_whatever_else_stripe_lists() -> None:
    """It was sent because of its status, and was won before the money moved."""
    sent = replace(PAID, reversals=(Reversal("dispute", "du_1", 20_000_000, NOW_MS),))
    assert found(sent, [dispute("won")]) == [TOOK, WON]


@pytest.mark.parametrize(
    ("changed", "moves", "expected"),
    [
        # disputed, withdrawn, dollars: a payment of $20.00
        ({"amount": 500}, (BalanceTransaction(-500, "usd", CREATED),), ["dispute du_1 5.0"]),
        # More than was paid: the exchange rate has changed.
        ({"amount": 2_100}, (BalanceTransaction(-2_100, "usd", CREATED),), [TOOK]),
        # Our balance is in another currency: the disputed amount counts.
        ({"amount": 500}, (BalanceTransaction(-450, "eur", CREATED),), ["dispute du_1 5.0"]),
        # Disputed in another currency than paid: the whole payment, and all of it is won.
        ({"amount": 100, "currency": "eur"}, (BalanceTransaction(-100, "eur", CREATED),), [TOOK]),
        (
            {"amount": 100, "currency": "eur", "status": "won"},
            (BalanceTransaction(-100, "eur", CREATED), BalanceTransaction(100, "eur", CREATED + 9)),
            [TOOK, WON],
        ),
        # A part is reinstated.
        ({"status": "won"}, (TAKEN, BalanceTransaction(700, "usd", CREATED + 9)), [TOOK, "dispute_won du_1 7.0"]),
    ],
)
def test_r1_amounts(changed: dict[str, object], moves: tuple[BalanceTransaction, ...], expected: list[str]) -> None:
    disputed = replace(dispute("lost", *moves), **changed)
    assert found(PAID, [disputed]) == expected


@pytest.mark.parametrize(
    ("currency", "micros", "units", "expected"),
    [("JPY", 2_000_000_000, 500, 500_000_000), ("KWD", 20_000_000, 5_123, 5_123_000), ("USD", 20_000_000, 1, 10_000)],
)
def test_r1_amounts_are_in_the_currency_s_own_minor_units(
    currency: str, micros: int, units: int, expected: int
) -> None:
    payment = paid(currency=currency, amount_micros=micros)
    move = BalanceTransaction(-units, currency.lower(), CREATED)
    disputed = dispute("lost", move, amount=units, currency=currency.lower())
    (one,) = look_at_charge(payment, [disputed], [], NOW_MS).reversals
    assert one.amount_micros == expected


def by_hand(status: str | None, **changed: object) -> Refund:
    fields = {"id": "re_1", "status": status, "created": CREATED, "amount": 500, "currency": "usd"}
    return convert({**fields, "balance_transaction": "txn_1", **changed}, Refund)


GAVE, FAILED = "refund re_1 5.0", "refund_failed re_1 5.0"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (by_hand("succeeded"), [GAVE]),
        (by_hand("pending"), [GAVE]),
        (by_hand(None), [GAVE]),
        (by_hand(None, balance_transaction=None), []),
        (by_hand("requires_action"), []),  # The customer must first name an account.
        (by_hand("failed"), [GAVE, FAILED]),  # Found only after it failed.
        (by_hand("canceled", balance_transaction=None), []),
        (by_hand("failed", balance_transaction=None), []),
        (by_hand("succeeded", metadata={"reason": "goodwill"}), [GAVE]),
        # The adapter made it, for a refund that the wallet requested and has debited.
        (by_hand("succeeded", metadata={"payment_id": "a-1/refund/1", "account_id": "a-1"}), []),
        (by_hand("failed", metadata={"payment_id": "a-1/refund/1", "account_id": "a-1"}), []),
    ],
)
def test_r1_a_refund_made_at_stripe_takes_and_its_failure_gives_back(made: Refund, expected: list[str]) -> None:
    assert found(PAID, [], [made]) == expected


def test_r1_a_refund_that_was_sent_while_pending_and_then_canceled_gives_back() -> None:
    sent = replace(PAID, reversals=(Reversal("refund", "re_1", 5_000_000, NOW_MS),))
    assert found(sent, [], [by_hand("canceled", balance_transaction=None)]) == [GAVE, FAILED]


def test_reversals_are_in_the_order_of_their_times() -> None:
    """As the wallet would have received them at once."""
    later = by_hand("succeeded", created=CREATED + 50)
    early = dispute("won", TAKEN, BalanceTransaction(2_000, "usd", CREATED + 60))
    looked = look_at_charge(PAID, [early], [later], NOW_MS)
    assert [one.kind for one in looked.reversals] == ["dispute", "refund", "dispute_won"]
    assert [one.at_ms // SECOND_MS - CREATED for one in looked.reversals] == [1, 50, 60]


REFUND_ROW = apply_outcome(
    opened(refund("a-1/refund/1", "a-1/buy/1", amount_micros=5_000_000)), Succeeded("re_1"), REQUESTED_MS
)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_r2_a_refund_of_ours_that_failed_later_names_our_refund(status: str) -> None:
    looked = look_at_own_refund(REFUND_ROW, by_hand(status), NOW_MS)
    assert looked.reversals == (Reversal("refund_failed", "re_1", 5_000_000, NOW_MS),)
    assert looked.again_within_ms is None


OLD = {"created": CREATED - (MAY_FAIL_MS + 3 * DAY_MS) // SECOND_MS}


@pytest.mark.parametrize(
    ("disputes", "refunds", "expected"),
    [
        ([], [], None),
        ([dispute("warning_needs_response")], [], OPEN_PAUSE_MS),
        ([dispute("needs_response", TAKEN)], [], OPEN_PAUSE_MS),
        ([dispute("won", TAKEN)], [], CLOSED_PAUSE_MS),  # An appeal may follow.
        ([dispute("warning_closed")], [], CLOSED_PAUSE_MS),
        ([], [by_hand("pending")], OPEN_PAUSE_MS),
        ([], [by_hand("succeeded")], OPEN_PAUSE_MS),
        ([], [by_hand("succeeded", **OLD)], None),
        ([], [by_hand("failed")], None),
    ],
)
def test_a_payment_is_looked_at_again_while_something_may_change(
    disputes: list[Dispute], refunds: list[Refund], expected: int | None
) -> None:
    assert look_at_charge(PAID, disputes, refunds, NOW_MS).again_within_ms == expected


def test_r2_a_refund_of_ours_is_looked_at_until_it_can_fail_no_more() -> None:
    assert look_at_own_refund(REFUND_ROW, by_hand("succeeded"), NOW_MS).again_within_ms == OPEN_PAUSE_MS
    assert look_at_own_refund(REFUND_ROW, by_hand("succeeded", **OLD), NOW_MS).again_within_ms is None
