"""The audit reports what does not add up, and nothing else: each fault is planted in a run that adds up."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.demo.run_log import QUIET, RunLog, run_that_adds_up

NOTHING_PROVOKED: Counter[str] = Counter()


@pytest.fixture
def log() -> RunLog:
    return run_that_adds_up()


def test_a_run_that_adds_up_has_no_findings(log: RunLog) -> None:
    assert log.audit.findings(Counter(too_late=1)) == []
    assert log.audit.accepted == {("a", "c1"), ("a", "c2"), ("a", "c4")}
    assert log.audit.lowest_account() == "a"


NOT_PAID = "1 invoices whose total less what is carried is not what cards paid or owe"


# A fault, and the findings it gives, in the order of the checks.
FAULTS: list[tuple[str, Callable[[RunLog], RunLog], list[str]]] = [
    (
        "a call charged twice",
        lambda log: log.charged("c1", "f9"),
        ["1 calls charged more than once: a c1"],
    ),
    (
        "a call that was not charged",
        lambda log: log.ended("c5"),
        ["1 accepted calls without a charge: a c5"],
    ),
    (
        "a charge of a rejected call",
        lambda log: log.charged("c3", "f9"),
        ["1 charges of calls that were not accepted: a c3"],
    ),
    (
        "lines that do not sum to their charge",
        lambda log: log.charged("c1", "f9", type="charge-adjusted", lines=[{"kind": "cap", "amount_micros": -1}]),
        ["1 charges that differ from the sum of their lines: a f9: charge 0, lines -1"],
    ),
    (
        "a charge without payment",
        lambda log: log.charged(
            "c1", "f9", type="charge-adjusted", amount_micros=2, lines=[{"kind": "minutes", "amount_micros": 2}]
        ),
        ["1 charges that differ from the sum of wallet and card: a f9: charge 2, wallet 0, card 0"],
    ),
    (
        "a ledger entry that is not in the balance",
        lambda log: log.posted("e9", "grant", -10_000),
        ["1 balances that differ from their ledger: a: snapshot 16800000, ledger 16790000"],
    ),
    (
        "an adjustment that the ledger does not know",
        lambda log: log.charged("c1", "f9", 10, type="charge-adjusted"),
        [("1 wallets whose debits differ from the charges of their calls: a: charges 3200010, ledger 3200000")],
    ),
    (
        "credits that were paid for and never came",
        lambda log: log.paid("a/purchase/2", "purchase", 5_000_000),
        ["1 wallets whose credits differ from their card payments: a: paid 25000000, ledger 20000000"],
    ),
    (
        "a payment requested twice",
        lambda log: log.requested("a/subscription/1/1", "subscription", 49_000_000, id="again"),
        [
            "1 payments requested more than once: a a/subscription/1/1",
            "1 payments whose receipt is missing or wrong: a a/subscription/1/1 of 49000000: 2 paid, 1 receipts",
        ],
    ),
    (
        "two different answers to a payment",
        lambda log: log.answered("a/subscription/1/1", "declined", id="other"),
        ["1 payments with two different answers: a a/subscription/1/1"],
    ),
    (
        "a payment without an answer",
        lambda log: log.requested("a/refund/1", "refund", 5_000_000),
        ["1 payments without an answer: a a/refund/1"],
    ),
    (
        "a rejected answer",
        lambda log: log.requested("a/refund/1", "refund", 5_000_000).answered("a/refund/1").rejected("future_time"),
        ["1 payments without an answer: a a/refund/1"],
    ),
    (
        "an answer without a request",
        lambda log: log.answered("a/purchase/7"),
        ["1 answers without a request: a a/purchase/7"],
    ),
    (
        "a payment without a receipt",
        lambda log: log.requested("a/subscription/2/1", "subscription", 7).answered("a/subscription/2/1"),
        ["1 payments whose receipt is missing or wrong: a a/subscription/2/1 of 7: 1 paid, 0 receipts"],
    ),
    (
        "a gap in the numbers of invoices",
        lambda log: log.invoiced(3, 0, **QUIET),
        ["1 accounts whose invoices are not numbered from 1 without gaps: a has [1, 3]"],
    ),
    (
        "an invoice that differs from the sum of its lines",
        lambda log: log.invoiced(2, 1, total_micros=2, **QUIET),
        [
            "1 invoices that differ from the sum of their lines: a a/invoice/2: total 2, tax 0; lines 1, tax 0",
            f"{NOT_PAID}: a a/invoice/2: 2 to pay, 0 paid",
        ],
    ),
    (
        "an invoice with another tax than its lines",
        lambda log: log.invoiced(2, 1, tax_micros=1, **QUIET),
        [
            "1 invoices that differ from the sum of their lines: a a/invoice/2: total 1, tax 1; lines 1, tax 0",
            f"{NOT_PAID}: a a/invoice/2: 1 to pay, 0 paid",
        ],
    ),
    (
        "an invoice paid twice",
        lambda log: log.invoiced(2, 0, **QUIET).invoice_paid(2),
        ["1 invoice-paid events for invoices that were not open: a a/invoice/2"],
    ),
    (
        "an invoice marked as paid although its payment was declined",
        lambda log: (
            log.invoiced(2, 1, open_micros=1, **QUIET)
            .requested("a/invoice/2/1", "invoice", 1)
            .answered("a/invoice/2/1", "declined")
            .invoice_paid(2)
        ),
        [
            "1 invoices marked as paid whose payment failed: a a/invoice/2",
            f"{NOT_PAID}: a a/invoice/2: 1 to pay, 0 paid",
        ],
    ),
    (
        "minutes of a call that are not in the snapshot",
        lambda log: log.ended("c5", minutes=3).rated("c5", "f5"),
        [("1 snapshots whose minutes differ from their calls: a: snapshot 6, calls 9, since 2026-01-01T00:00:00Z")],
    ),
    (
        "an event seen twice",
        lambda log: log.posted("e2", "charge", 0),
        ["1 event ids seen twice: ledger-entries e2"],
    ),
]


@pytest.mark.parametrize(("plant", "findings"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found(log: RunLog, plant: Callable[[RunLog], RunLog], findings: list[str]) -> None:
    plant(log)
    assert log.audit.findings(NOTHING_PROVOKED) == findings


# What happens to an open invoice of 1 micro, and whether that is a reason for it to stay open.
@pytest.mark.parametrize(
    ("happens", "explained"),
    [
        (lambda log: log, False),
        (lambda log: log.requested("a/invoice/2/1", "invoice", 1), True),
        (lambda log: log.requested("a/invoice/2/1", "invoice", 1).answered("a/invoice/2/1", "declined"), True),
        (lambda log: log.paid("a/invoice/2/1", "invoice", 1), False),
        (
            lambda log: log.requested("a/subscription/2/1", "subscription", 1).answered(
                "a/subscription/2/1", "declined"
            ),
            True,
        ),
    ],
    ids=["never requested", "no answer yet", "declined", "paid", "a declined fee"],
)
def test_an_open_invoice_needs_a_reason(log: RunLog, happens: Callable[[RunLog], RunLog], explained: bool) -> None:
    log.snapshot(3, 16_800_000, minutes_used=6)
    log.rated("c4", "f5", card=-100_000)
    log.invoiced(2, 1, open_micros=1, **QUIET)
    happens(log)
    found = [finding for finding in log.audit.findings(NOTHING_PROVOKED) if "open without a reason" in finding]
    assert found == ([] if explained else ["1 invoices open without a reason: a a/invoice/2"])


def test_overage_that_is_due_keeps_an_invoice_open(log: RunLog) -> None:
    log.invoiced(2, 1, open_micros=1, **QUIET)
    assert log.audit.findings(NOTHING_PROVOKED) == []


def test_an_account_without_a_card_keeps_its_invoice_open() -> None:
    log = RunLog()
    log.invoiced(1, 1, open_micros=1)
    assert log.audit.findings(NOTHING_PROVOKED) == []


# Later inputs about the four-minute call c2, and the minutes that the account has used in the end.
@pytest.mark.parametrize(
    ("later", "minutes_used"),
    [
        ([], 6),
        ([{"id": "x", "occurred_at": "2026-01-05T10:02:30Z"}], 5),
        ([{"id": "x", "answered_at": None}], 2),
        ([{"id": "x", "real": False}], 2),
        ([{"type": "call-reclassified", "id": "x", "real": False}], 2),
        (
            [
                {"type": "call-reclassified", "id": "x", "real": False, "occurred_at": "2026-01-06T00:00:00Z"},
                {"type": "call-reclassified", "id": "y", "real": True, "occurred_at": "2026-01-06T00:00:00.500Z"},
                {"type": "call-reclassified", "id": "z", "real": False, "occurred_at": "2026-01-05T00:00:00Z"},
            ],
            6,
        ),
        # The first end again after another one: a repeat, which changes nothing.
        ([{"id": "x", "occurred_at": "2026-01-05T10:02:30Z"}, {}], 5),
    ],
    ids=["its end", "another end", "unanswered", "not real", "spam", "the newest reclassification counts", "a repeat"],
)
def test_minutes_are_those_of_the_last_input_about_each_call(
    log: RunLog, later: list[dict[str, object]], minutes_used: int
) -> None:
    for fields in later:
        log.ended("c2", minutes=4, **fields)
    log.snapshot(3, 16_800_000, minutes_used=minutes_used, due=100_000)
    assert log.audit.findings(NOTHING_PROVOKED) == []


def test_a_missing_dead_letter_is_found(log: RunLog) -> None:
    assert log.audit.findings(Counter(not_utf8=2)) == ["2 dead letters not_utf8 expected, 0 found"]


def test_an_unreadable_input_is_not_an_accepted_call(log: RunLog) -> None:
    log.put("account-events", type="call-ended", id=7)
    assert log.audit.findings(NOTHING_PROVOKED) == []
