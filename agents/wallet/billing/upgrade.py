"""Converts what an account is billed for from the rows of earlier versions. Decision 0040.

Earlier versions kept a row for each open invoice beside the bills, settled overage on one line through all invoices,
and requested overage and the rest of an invoice separately. The first turn that reads an account's billing converts
it as a whole, so that no other rule knows those rows.
"""

from typing import Protocol, TypeVar

from msgspec.structs import replace

from schemas.account import Account, Period, Row
from schemas.billing import Bill, Billing, Invoice
from schemas.payment_rows import Payment
from schemas.rows import bill_key, billing_key, invoice_key, payment_key

BILLING_VERSION = 1

_REQUESTED = "requested"

R = TypeVar("R", bound=Row)


class Working(Protocol):
    """What the conversion needs of a turn, which itself reads billing through it."""

    account_id: str
    account: Account
    rows: dict[str, Row | None]
    periods: tuple[Period, ...]
    funds_moved: list[tuple[str, int]]
    clock_ms: int | None
    now_ms: int

    def get(self, key: str, kind: type[R]) -> R | None: ...

    def put_period(self, period: Period) -> None: ...


def upgrade(turn: Working, old: Billing) -> None:
    """Convert the billing of an account, its bills and its open invoices."""
    invoices = _open_invoices(turn, old)
    billing = replace(old, version=BILLING_VERSION, carried_micros=-old.credit_micros, credit_micros=0)
    billing = replace(billing, bills=tuple(_convert_fees(turn, old, invoices)), overage_wanted=False, plan_before="")
    billing = _assign_overage(turn, billing, invoices)
    for number, bill in invoices.items():
        turn.rows[invoice_key(turn.account_id, number)] = None
        turn.rows[bill_key(turn.account_id, f"invoice/{number}")] = bill
    _start_statement(turn, billing)


def _open_invoices(turn: Working, old: Billing) -> dict[int, Bill]:
    """The bill of each open invoice: its part of the unpaid overage, and what its own bill and its fees leave open."""
    invoices, settled_micros = {}, old.card_settled_micros
    for number in range(old.open_from, old.invoices + 1):
        invoice = turn.get(invoice_key(turn.account_id, number), Invoice)
        if invoice is None:
            continue
        overage_micros = max(0, invoice.card_mark_micros - settled_micros)
        settled_micros = max(settled_micros, invoice.card_mark_micros)
        bill = turn.get(bill_key(turn.account_id, f"invoice/{number}"), Bill) or Bill("invoice", 0)
        invoices[number] = replace(
            bill,
            amount_micros=invoice.bills_micros + overage_micros,
            status="",
            asked_micros=bill.amount_micros if bill.status == _REQUESTED else 0,
        )
    return invoices


def _convert_fees(turn: Working, old: Billing, invoices: dict[int, Bill]) -> list[str]:
    """Convert the bills of fees; one that is in flight for an issued invoice goes into that. Returns the others."""
    kept = []
    for name in old.bills:
        key = bill_key(turn.account_id, name)
        bill = turn.get(key, Bill)
        if bill is None:
            continue
        asked_micros = bill.amount_micros if bill.status == _REQUESTED else 0
        invoice = invoices.get(bill.invoice)
        if invoice is None:
            kept.append(name)
            turn.rows[key] = replace(bill, status="", asked_micros=asked_micros)
            continue
        invoices[bill.invoice] = replace(invoice, asked_micros=invoice.asked_micros + asked_micros)
        turn.rows[key] = None
        _count_payment_for(turn, f"{turn.account_id}/{name}/{bill.attempts}", bill.invoice)
    return kept


def _count_payment_for(turn: Working, payment_id: str, number: int) -> None:
    key = payment_key(turn.account_id, payment_id)
    payment = turn.get(key, Payment)
    if payment is not None:
        turn.rows[key] = replace(payment, invoice=number)


def _assign_overage(turn: Working, billing: Billing, invoices: dict[int, Bill]) -> Billing:
    """Give each overage payment that is in flight to the oldest invoice with room for it, or else to the next one. What
    is due of issued invoices is then in their bills, and `card_due_micros` keeps the rest.
    """
    next_number, asked_micros, ahead_micros = billing.invoices + 1, 0, 0
    for count in range(1, billing.overages + 1):
        payment_id = f"{turn.account_id}/overage/{count}"
        payment = turn.get(payment_key(turn.account_id, payment_id), Payment)
        if payment is None or payment.status != _REQUESTED:
            continue
        number = next((n for n, bill in invoices.items() if bill.open_micros), next_number)
        _count_payment_for(turn, payment_id, number)
        if number == next_number:
            asked_micros += payment.amount_micros
            continue
        bill = invoices[number]
        beyond_micros = max(0, payment.amount_micros - bill.open_micros)
        ahead_micros += beyond_micros
        invoices[number] = replace(
            bill,
            amount_micros=bill.amount_micros + beyond_micros,
            asked_micros=bill.asked_micros + payment.amount_micros,
        )
    for number, bill in invoices.items():
        if bill.open_micros and not bill.due_ms:
            invoices[number] = replace(bill, due_ms=turn.now_ms)
    if asked_micros:
        turn.rows[bill_key(turn.account_id, "overage/0")] = Bill("overage", 0, asked_micros=asked_micros)
    card_micros = sum(p.card_micros for p in turn.periods if not _is_invoiced(turn, p.end_ms))
    due_micros = max(0, min(turn.account.card_due_micros, card_micros - asked_micros - ahead_micros))
    turn.account = replace(turn.account, card_due_micros=due_micros)
    return replace(billing, overage_asked_micros=asked_micros, carried_micros=billing.carried_micros - ahead_micros)


def _is_invoiced(turn: Working, end_ms: int) -> bool:
    clock_ms, due_ms = turn.clock_ms, turn.account.billing_due_ms
    return clock_ms is not None and end_ms <= clock_ms and (not due_ms or end_ms < due_ms)


def _start_statement(turn: Working, billing: Billing) -> None:
    """Let the first wallet statement close at the balance: top-ups of the running periods are known, what moved the
    wallet otherwise is in its opening.
    """
    moved_micros = sum(micros for _, micros in turn.funds_moved)
    closing_micros = turn.account.balance_micros - moved_micros
    for period in turn.periods:
        if not _is_invoiced(turn, period.end_ms):
            known = replace(period, credited_micros=period.credited_micros or period.top_up_micros)
            turn.put_period(known)
            closing_micros -= known.credited_micros - _used_micros(known)
    turn.rows[billing_key(turn.account_id)] = replace(billing, closing_micros=closing_micros)


def _used_micros(period: Period) -> int:
    costs = (period.inbound_micros, period.outbound_micros, period.web_micros)
    late = (period.late_inbound_micros, period.late_outbound_micros, period.late_web_micros)
    return sum(costs) + sum(late) - period.card_micros
