"""The audit of a run names what does not add up, and nothing else: each fault is planted in a run that adds up."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.demo.run_log import RunLog, run_that_adds_up

NOTHING_PROVOKED: Counter[str] = Counter()


@pytest.fixture
def log() -> RunLog:
    return run_that_adds_up()


def test_a_run_that_adds_up_has_no_findings(log: RunLog) -> None:
    assert log.audit.findings(Counter(too_late=1)) == []
    assert log.audit.accepted == {("a", "c1"), ("a", "c2"), ("a", "c4")}
    assert log.audit.lowest_account() == "a"


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
        "a charge of a refused call",
        lambda log: log.charged("c3", "f9"),
        ["1 charges of calls that were not accepted: a c3"],
    ),
    (
        "lines that do not sum to their charge",
        lambda log: log.charged("c1", "f9", type="charge-adjusted", lines=[{"kind": "cap", "amount_micros": -1}]),
        ["1 charges that their lines do not sum to: a f9 of 0, its lines -1"],
    ),
    (
        "a charge that is paid by half",
        lambda log: log.charged(
            "c1", "f9", type="charge-adjusted", amount_micros=2, lines=[{"kind": "minutes", "amount_micros": 2}]
        ),
        ["1 charges that wallet and card do not pay: a f9 of 2, wallet 0 and card 0"],
    ),
    (
        "a ledger entry that is not in the balance",
        lambda log: log.posted("e9", "grant", -10_000),
        ["1 balances that are not the sum of their ledger: a has 16800000 in its snapshot and 16790000 in its ledger"],
    ),
    (
        "an adjustment that the ledger does not know",
        lambda log: log.charged("c1", "f9", 10, type="charge-adjusted"),
        [
            (
                "1 wallets that calls have taken something else from than was charged: "
                "a: 3200010 in charges and 3200000 in its ledger"
            )
        ],
    ),
    (
        "credits that were paid for and never came",
        lambda log: log.paid("a/purchase/2", "purchase", 5_000_000),
        ["1 wallets with other credits than their cards have paid for: a: 25000000 paid and 20000000 in its ledger"],
    ),
    (
        "a payment asked for twice",
        lambda log: log.asked("a/subscription/1/1", "subscription", 49_000_000, id="again"),
        [
            "1 payments asked for more than once: a a/subscription/1/1",
            "1 payments whose receipt is missing or wrong: a a/subscription/1/1 of 49000000: 2 paid and 1 receipts",
        ],
    ),
    (
        "two different answers to a payment",
        lambda log: log.answered("a/subscription/1/1", "declined", id="other"),
        ["1 payments with two different answers: a a/subscription/1/1"],
    ),
    (
        "a payment without an answer",
        lambda log: log.asked("a/refund/1", "refund", 5_000_000),
        ["1 payments without an answer: a a/refund/1"],
    ),
    (
        "an answer that was refused",
        lambda log: log.asked("a/refund/1", "refund", 5_000_000).answered("a/refund/1").refused("future_time"),
        ["1 payments without an answer: a a/refund/1"],
    ),
    (
        "an answer to what nobody asked",
        lambda log: log.answered("a/purchase/7"),
        ["1 answers to what nobody asked: a a/purchase/7"],
    ),
    (
        "a payment without a receipt",
        lambda log: log.asked("a/subscription/2/1", "subscription", 7).answered("a/subscription/2/1"),
        ["1 payments whose receipt is missing or wrong: a a/subscription/2/1 of 7: 1 paid and 0 receipts"],
    ),
    (
        "overage that is neither asked for nor due",
        lambda log: log.snapshot(3, 16_800_000, minutes_used=6),
        ["1 cards asked for other overage than they owe: a: 300000 in charges, 200000 asked for and 0 due"],
    ),
    (
        "overage asked for twice",
        lambda log: log.paid("a/overage/3", "overage", 100_000),
        ["1 cards asked for other overage than they owe: a: 300000 in charges, 300000 asked for and 100000 due"],
    ),
    (
        "a gap in the numbers of invoices",
        lambda log: log.invoiced(3, 1),
        ["1 accounts whose invoices are not numbered from 1 without gaps: a has [1, 3]"],
    ),
    (
        "an invoice that its lines do not sum to",
        lambda log: log.invoiced(2, 1, total_micros=2),
        ["1 invoices that their lines do not sum to: a a/invoice/2 of 2, tax 0: its lines 1, tax 0"],
    ),
    (
        "an invoice with another tax than its lines say",
        lambda log: log.invoiced(2, 1, tax_micros=1),
        ["1 invoices that their lines do not sum to: a a/invoice/2 of 1, tax 1: its lines 1, tax 0"],
    ),
    (
        "an invoice paid twice",
        lambda log: log.invoiced(2, 1).invoice_paid(2),
        ["1 words that an invoice is paid, without it being open: a a/invoice/2"],
    ),
    (
        "an invoice called paid although its payment was declined",
        lambda log: (
            log.invoiced(2, 1, open_micros=1)
            .asked("a/invoice/2/1", "invoice", 1)
            .answered("a/invoice/2/1", "declined")
            .invoice_paid(2)
        ),
        ["1 invoices called paid with a payment that never came: a a/invoice/2"],
    ),
    (
        "minutes that a call took and nobody counted",
        lambda log: log.ended("c5", minutes=3).rated("c5", "f5"),
        [
            (
                "1 snapshots with other minutes than their calls took: "
                "a has 6 in its snapshot and 9 by its calls since 2026-01-01T00:00:00Z"
            )
        ],
    ),
    (
        "a fact seen twice",
        lambda log: log.posted("e2", "charge", 0),
        ["1 fact ids seen twice: ledger-entries e2"],
    ),
]


@pytest.mark.parametrize(("plant", "findings"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found(log: RunLog, plant: Callable[[RunLog], RunLog], findings: list[str]) -> None:
    plant(log)
    assert log.audit.findings(NOTHING_PROVOKED) == findings


# How an invoice of 1 micro comes to stay open, and whether that is a reason.
@pytest.mark.parametrize(
    ("happens", "explained"),
    [
        (lambda log: log, False),
        (lambda log: log.asked("a/invoice/2/1", "invoice", 1), True),
        (lambda log: log.asked("a/invoice/2/1", "invoice", 1).answered("a/invoice/2/1", "declined"), True),
        (lambda log: log.paid("a/invoice/2/1", "invoice", 1), False),
        (
            lambda log: log.asked("a/subscription/2/1", "subscription", 1).answered("a/subscription/2/1", "declined"),
            True,
        ),
    ],
    ids=["nobody asked for it", "no answer yet", "declined", "paid", "a declined fee"],
)
def test_an_open_invoice_needs_a_reason(log: RunLog, happens: Callable[[RunLog], RunLog], explained: bool) -> None:
    log.snapshot(3, 16_800_000, minutes_used=6)
    log.rated("c4", "f5", card=-100_000)
    log.invoiced(2, 1, open_micros=1)
    happens(log)
    found = [finding for finding in log.audit.findings(NOTHING_PROVOKED) if "open without a reason" in finding]
    assert found == ([] if explained else ["1 invoices open without a reason: a a/invoice/2"])


def test_overage_that_is_due_keeps_an_invoice_open(log: RunLog) -> None:
    log.invoiced(2, 1, open_micros=1)
    assert log.audit.findings(NOTHING_PROVOKED) == []


def test_an_account_without_a_card_keeps_its_invoice_open() -> None:
    log = RunLog()
    log.invoiced(1, 1, open_micros=1)
    assert log.audit.findings(NOTHING_PROVOKED) == []


# What the last word on the four-minute call c2 is, and the minutes that the account has used with it.
@pytest.mark.parametrize(
    ("said", "minutes_used"),
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
        # The first end once more, after another one: a repeat, which changes nothing.
        ([{"id": "x", "occurred_at": "2026-01-05T10:02:30Z"}, {}], 5),
    ],
    ids=["its end", "another end", "unanswered", "not real", "spam", "the newest word stands", "a repeat"],
)
def test_minutes_are_those_of_the_last_word_on_each_call(
    log: RunLog, said: list[dict[str, object]], minutes_used: int
) -> None:
    for word in said:
        log.ended("c2", minutes=4, **word)
    log.snapshot(3, 16_800_000, minutes_used=minutes_used, due=100_000)
    assert log.audit.findings(NOTHING_PROVOKED) == []


def test_a_provoked_dead_letter_that_did_not_come_is_found(log: RunLog) -> None:
    assert log.audit.findings(Counter(not_utf8=2)) == ["2 dead letters not_utf8 were provoked, 0 found"]


def test_an_input_that_cannot_be_read_is_no_accepted_call(log: RunLog) -> None:
    log.put("account-events", type="call-ended", id=7)
    assert log.audit.findings(NOTHING_PROVOKED) == []
