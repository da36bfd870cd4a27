"""The audit of reversals, overlong calls, legs and invoices: what adds up gives no finding, each planted fault one."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.demo.run_log import PERIOD_END, RunLog, run_that_adds_up

NOTHING_PROVOKED: Counter[str] = Counter()
NOT_PAID = "1 invoices whose total less what is carried is not what cards paid or owe"
NOT_IN_WALLET = "1 reversals that moved another amount in the wallet"
OTHER_LINES = "1 invoices with other calls, top-ups or reversals than their period"
OTHER_STATEMENT = "1 invoices whose wallet statement does not add up"


@pytest.fixture
def log() -> RunLog:
    return run_that_adds_up()


def second_invoice(log: RunLog, **changed: Any) -> RunLog:
    """The invoice of a month with nothing but the late call c4 and a number for $0.25: too little for a card."""
    lines = [{"kind": "overage", "amount_micros": 100_000}, {"kind": "phone_number", "amount_micros": 250_000}]
    statement = {"opening_micros": 16_800_000, "closing_micros": 16_800_000}
    fields: dict[str, Any] = {
        "period_start": PERIOD_END,
        "period_end": "2026-03-01T00:00:00Z",
        "lines": lines,
        "total_micros": 350_000,
        "carried_micros": 350_000,
        "wallet": statement,
    }
    return log.invoiced(2, 0, **fields | changed)


def third_invoice(log: RunLog, carried_micros: int) -> RunLog:
    """The invoice after it: a number again, and what the second carried."""
    lines = [{"kind": "phone_number", "amount_micros": 250_000}, {"kind": "carried", "amount_micros": carried_micros}]
    total_micros = 250_000 + carried_micros
    fields: dict[str, Any] = {
        "period_start": "2026-03-01T00:00:00Z",
        "period_end": "2026-04-01T00:00:00Z",
        "lines": lines,
        "total_micros": total_micros,
        "wallet": {"opening_micros": 16_800_000, "closing_micros": 16_800_000},
    }
    log.invoiced(3, 0, open_micros=total_micros, **fields)
    return log.paid("a/invoice/3/1", "invoice", total_micros).invoice_paid(3)


def test_small_sums_go_on_to_the_next_invoice_until_a_card_can_be_charged(log: RunLog) -> None:
    assert third_invoice(second_invoice(log), 350_000).audit.findings(NOTHING_PROVOKED) == []


def disputed(log: RunLog, *, won: bool = True) -> RunLog:
    """The purchase is disputed, and the dispute is won."""
    log.reversed("a/purchase/1", "dispute", 20_000_000).posted("e8", "reversal", -20_000_000)
    if won:
        log.reversed("a/purchase/1", "dispute_won", 20_000_000).posted("e9", "reversal", 20_000_000)
    return log.snapshot(3, 16_800_000 if won else -3_200_000, minutes_used=6, due=100_000)


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_moves_the_wallet(log: RunLog, won: bool) -> None:
    assert disputed(log, won=won).audit.findings(NOTHING_PROVOKED) == []


def test_a_reversal_of_another_payment_marks_its_invoice(log: RunLog) -> None:
    log.reversed("a/invoice/1/1", "refund", 1_000_000)
    log.put("invoices", type="invoice-reversed", invoice_id="a/invoice/1", kind="refund", amount_micros=1_000_000)
    assert log.audit.findings(NOTHING_PROVOKED) == []


def test_a_call_beyond_the_longest_is_charged_up_to_it_and_one_alert_names_it(log: RunLog) -> None:
    overlong(log).put("alerts", type="call-overlong", call_id="c5", reported_ms=18_000_000)
    assert log.snapshot(3, 16_800_000, minutes_used=246, due=100_000).audit.findings(NOTHING_PROVOKED) == []


def test_an_invoice_shows_what_was_reversed_before_it(log: RunLog) -> None:
    log.paid("a/overage/3", "overage", 100_000).reversed("a/overage/3", "dispute", 100_000)
    second_invoice(log, carried_micros=250_000, reversed_micros=100_000)
    assert log.audit.findings(NOTHING_PROVOKED) == []


def overlong(log: RunLog, billable_ms: int = 14_400_000) -> RunLog:
    """A call of five hours on a plan whose longest call has four."""
    log.ended("c5", occurred_at="2026-01-05T15:00:00Z")
    return log.rated("c5", "f5", billable_ms=billable_ms, reported_ms=18_000_000)


@pytest.mark.parametrize(
    ("legs", "minutes_used"),
    [
        ([("desk", "10:00", "10:02"), ("mobile", "10:03", "10:05")], 6 + 5),
        ([("desk", None, "10:02"), ("mobile", "10:03", "10:05")], 6 + 2),
    ],
    ids=["gaps count", "unanswered legs do not"],
)
def test_the_legs_of_a_call_are_one_call(
    log: RunLog, legs: list[tuple[str, str | None, str]], minutes_used: int
) -> None:
    for leg_id, answered, ended in legs:
        answered_at = None if answered is None else f"2026-01-05T{answered}:00Z"
        log.ended("c5", id=leg_id, leg_id=leg_id, answered_at=answered_at, occurred_at=f"2026-01-05T{ended}:00Z")
    log.rated("c5", "f5").snapshot(3, 16_800_000, minutes_used=minutes_used, due=100_000)
    assert log.audit.findings(NOTHING_PROVOKED) == []


# A fault, and the findings it gives, in the order of the checks.
FAULTS: list[tuple[str, Callable[[RunLog], RunLog], list[str]]] = [
    (
        "a dispute that takes nothing",
        lambda log: log.reversed("a/purchase/1", "dispute", 20_000_000, id="r1"),
        [f"{NOT_IN_WALLET}: a r1: -20000000 expected, 0 found"],
    ),
    (
        "a dispute that takes twice",
        lambda log: (
            disputed(log, won=False)
            .reversed("a/purchase/1", "dispute", 20_000_000, id="r2")
            .posted("e9", "reversal", -20_000_000)
            .snapshot(4, -23_200_000, minutes_used=6, due=100_000)
        ),
        [f"{NOT_IN_WALLET}: a r2: 0 expected, -20000000 found"],
    ),
    (
        "a refund at the provider of more than our own refund has left",
        lambda log: (
            log.put("account-events", type="credits-refund-requested", id="back")
            .requested("a/refund/1", "refund", 15_000_000, refund_of="a/purchase/1")
            .posted("e8", "refund", -15_000_000)
            .answered("a/refund/1")
            .reversed("a/purchase/1", "refund", 20_000_000, id="r1")
            .posted("e9", "reversal", -20_000_000)
            .snapshot(3, -18_200_000, minutes_used=6, due=100_000)
        ),
        [f"{NOT_IN_WALLET}: a r1: -5000000 expected, -20000000 found"],
    ),
    (
        "a dispute won of more than was disputed",
        lambda log: (
            disputed(log)
            .reversed("a/purchase/1", "dispute_won", 1, id="r2")
            .posted("e10", "reversal", 1)
            .snapshot(4, 16_800_001, minutes_used=6, due=100_000)
        ),
        [f"{NOT_IN_WALLET}: a r2: 0 expected, 1 found"],
    ),
    (
        "a reversal that marks an invoice with another amount",
        lambda log: log.reversed("a/invoice/1/1", "refund", 1_000_000, id="r1").put(
            "invoices", type="invoice-reversed", invoice_id="a/invoice/1", kind="refund", amount_micros=2_000_000
        ),
        ["1 reversals that marked an invoice with another amount: a r1: -1000000 expected, -2000000 found"],
    ),
    (
        "a reversal without an alert",
        lambda log: log.put(
            "account-events", type="payment-reversed", payment_id="a/overage/1", kind="refund", amount_micros=1
        ),
        ["1 reversals that do not have exactly one alert: a a/overage/1 refund: 1 reported, 0 alerts"],
    ),
    (
        "an overlong call that nobody is told of",
        lambda log: overlong(log).snapshot(3, 16_800_000, minutes_used=246, due=100_000),
        ["1 overlong calls without an alert: a c5"],
    ),
    (
        "an alert about a call that is not overlong",
        lambda log: log.put("alerts", type="call-overlong", call_id="c2"),
        ["1 alerts about calls that are not overlong: a c2"],
    ),
    (
        "a charge for more than the longest call",
        lambda log: (
            overlong(log, billable_ms=18_000_000)
            .put("alerts", type="call-overlong", call_id="c5")
            .snapshot(3, 16_800_000, minutes_used=246, due=100_000)
        ),
        ["1 charges for more than the longest call: a f5: 18000000 ms"],
    ),
    (
        "an invoice without a call of its period",
        lambda log: second_invoice(
            log,
            lines=[{"kind": "phone_number", "amount_micros": 250_000}],
            total_micros=250_000,
            carried_micros=250_000,
        ),
        [
            f"{OTHER_LINES}: a a/invoice/2: calls, top-ups and wallet (0, 0, 0), from the topics (100000, 0, 0)",
        ],
    ),
    (
        "an invoice that forgets a dispute",
        lambda log: second_invoice(disputed(log, won=False)),
        [
            (
                f"{OTHER_LINES}: a a/invoice/2: calls, top-ups and wallet (100000, 0, 0), from the topics "
                "(100000, -20000000, 0)"
            ),
            (
                f"{OTHER_STATEMENT}: a a/invoice/2: credited, used and closing (-20000000, 0, -3200000) expected, "
                "(0, 0, 16800000) found"
            ),
            f"{NOT_PAID}: a a/invoice/2: 20000000 to pay, 0 paid",
        ],
    ),
    (
        "an invoice that forgets that its overage was reversed",
        lambda log: second_invoice(
            log.paid("a/overage/3", "overage", 100_000).reversed("a/overage/3", "dispute", 100_000),
            carried_micros=250_000,
        ),
        [f"{OTHER_LINES}: a a/invoice/2: 0 reversed, from the topics 100000"],
    ),
    (
        "a wallet statement that does not open with the former closing",
        lambda log: second_invoice(log, wallet={"opening_micros": 1, "closing_micros": 1}),
        ["1 invoices that do not continue the one before: a a/invoice/2: opens with 1, closed with 16800000"],
    ),
    (
        "a carried sum that is forgotten",
        lambda log: third_invoice(second_invoice(log), 0),
        ["1 invoices that do not continue the one before: a a/invoice/3: 350000 was carried, the line has 0"],
    ),
    (
        "an invoice that says it is paid and carries too little",
        lambda log: second_invoice(log, carried_micros=250_000),
        [f"{NOT_PAID}: a a/invoice/2: 100000 to pay, 0 paid"],
    ),
    (
        "an invoice paid twice by card",
        lambda log: log.paid("a/invoice/1/2", "invoice", 4_000_000),
        [f"{NOT_PAID}: a a/invoice/1: 53200000 to pay, 57200000 paid"],
    ),
]


@pytest.mark.parametrize(("plant", "findings"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found(log: RunLog, plant: Callable[[RunLog], RunLog], findings: list[str]) -> None:
    plant(log)
    assert log.audit.findings(NOTHING_PROVOKED) == findings
