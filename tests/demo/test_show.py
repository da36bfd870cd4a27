"""The live view of the month."""

import io
import json

from rich.console import Console

from demo.closing import call_to_explain
from demo.progress import Progress
from demo.show import Show, in_all, line, money
from demo.watch import Totals


def fee(payment_id: str, caused_by: str) -> dict[str, str]:
    return {"purpose": "subscription", "payment_id": payment_id, "caused_by": caused_by}


def progress() -> Progress:
    totals = Totals()
    rated = {"plan": "dental", "amount_micros": 330_000, "wallet_micros": 220_000, "card_micros": 110_000}
    for topic, kind, extra in (
        ("call-decisions", "call-admitted", {}),
        ("call-decisions", "call-redirected", {"reason": "extra_calls_off"}),
        ("charges", "call-charged", {"plan": "free", "amount_micros": 6_000_000}),
        ("charges", "charge-adjusted", {"plan": "free", "amount_micros": -3_000_000}),
        ("charges", "call-charged", rated),
        ("payment-requests", "payment-requested", fee("a/subscription/2/1", "tick-1")),
        ("payment-requests", "payment-requested", fee("a/subscription/2/2", "tick-2")),
        ("payment-requests", "payment-requested", fee("a/subscription/3/1", "a:plan")),
        ("invoices", "receipt-issued", {"amount_micros": 99_000_000}),
        ("invoices", "invoice-issued", {"status": "open"}),
        ("invoices", "invoice-issued", {"status": "paid"}),
        ("invoices", "invoice-paid", {}),
        ("refills", "refill-declined", {"reason": "card_expired"}),
        ("alerts", "refill-declined", {"reason": "card_expired"}),
    ):
        fact = {"type": kind, "occurred_at": "2026-01-31T14:32:10Z", **extra}
        totals.fact(topic, json.dumps(fact).encode())
    for kind, fields in (
        ("account-opened", {"id": "o", "plan": "professional"}),
        ("plan-change-requested", {"id": "p", "plan": "dental"}),
        ("subscription-cancel-requested", {"id": "c"}),
        ("subscription-cancel-requested", {"id": "c"}),
        ("payment-declined", {"id": "d"}),
        ("call-started", {"id": 1}),
    ):
        totals.input(json.dumps({"type": kind, "account_id": "a", **fields}, separators=(",", ":")).encode())
    totals.dead_letter("not_utf8")
    return Progress(totals, waiting=12)


def test_a_plain_line_has_every_number() -> None:
    assert line(progress()) == (
        "2026-01-31 14:32  0 events/s  lag 12  charged 2 calls (credits plan $3.00, minutes plans $0.33)  "
        "redirected 1  renewals 1  invoices 2, 2 paid  declines 1  dead letters 1"
    )


def test_sums_of_two_currencies_are_not_added() -> None:
    totals = Totals()
    for currency, micros in (("EUR", 5_600_000), ("USD", 6_000_000), ("EUR", -2_800_000)):
        fact = {"type": "call-charged", "occurred_at": "2026-01-31T14:32:10Z", "plan": "free", "currency": currency}
        totals.fact("charges", json.dumps(fact | {"amount_micros": micros}).encode())
    assert money(totals.charged_micros) == "credits plan $6.00 and 2.80 EUR"
    assert in_all(totals.charged_micros) == "$6.00 and 2.80 EUR"


def test_without_a_terminal_lines_are_limited_and_the_last_one_is_always_shown() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=80), "a month") as show:
        for _ in range(10):
            show.update(progress())
        show.update(progress(), last=True)
    assert out.getvalue().splitlines() == [line(progress())]


def test_on_a_terminal_there_is_a_table() -> None:
    out = io.StringIO()
    with Show(Console(file=out, force_terminal=True, width=140), "a month") as show:
        show.update(progress())
    text = out.getvalue()
    for shown in (
        *("a month", "extra_calls_off 1", "$3.33", "not_utf8 1", "2026-01-31 14:32"),
        *("$0.22 from wallets, $0.11 on cards", "upgrades 1, cancellations 1", "2 paid"),
        "$99.00 with receipts; 1 declined, 1 requests retried",
    ):
        assert shown in text


def test_the_most_expensive_call_is_explained_an_adjusted_one_before_others() -> None:
    def fact(kind: str, call_id: str, amount_micros: int) -> dict[str, object]:
        return {"type": kind, "call_id": call_id, "amount_micros": amount_micros, "lines": []}

    facts = [
        fact("call-charged", "cheap", 0),
        fact("call-charged", "dear-1", 6),
        fact("call-charged", "dear-2", 6),
        fact("charge-adjusted", "dear-1", -3),
    ]
    assert call_to_explain(facts) == "dear-1"
    assert call_to_explain([]) is None
