"""The invoice of a billing period. Rules M11, M13 and P12."""

from collections.abc import Iterator

from msgspec.structs import replace

from agents.wallet.billing.bills import add_invoice_bill
from agents.wallet.billing.overage import invoice_id
from agents.wallet.billing.usage import overage_micros
from agents.wallet.funds.payment import REQUESTED
from agents.wallet.turn import Turn
from schemas.account import Period
from schemas.instant import format_instant
from schemas.invoices import InvoiceIssued, InvoiceLine
from schemas.money import round_half_up
from schemas.plan import AnyPlan, MinutesPlan
from schemas.rows import Bill, Billing, Invoice, PhoneNumber, bill_key, invoice_key

_PPM = 1_000_000
# Lines that no other payment covers: fees and overage are requested by themselves.
_PAID_BY_INVOICE = frozenset({"phone_number", "tax"})


def issue_invoice(turn: Turn, period: Period, plan: str) -> None:
    """Issue the invoice of a period that has ended under `plan`, and request what no other payment covers. Rule P12.

    A period without a fee and without amounts has no invoice. Its lines and removed numbers are dropped all the same.
    """
    billing = turn.billing
    lines = _lines(turn.view.terms(plan, turn.view.catalogue.version), billing, period)
    mark_micros = billing.card_invoiced_micros + period.card_micros
    rest = replace(
        billing,
        lines=tuple(line for line in billing.lines if line.at_ms >= period.end_ms),
        numbers=tuple(phone for phone in billing.numbers if not _is_gone(phone, period)),
        card_invoiced_micros=mark_micros,
    )
    if any(line.amount_micros or line.kind == "subscription" for line in lines):
        overage_open_micros = min(max(0, mark_micros - billing.card_settled_micros), period.card_micros)
        _issue(turn, rest, period, plan, lines, overage_open_micros)
    elif rest != billing:
        turn.billing = rest


def _issue(
    turn: Turn, billing: Billing, period: Period, plan: str, lines: list[InvoiceLine], overage_open_micros: int
) -> None:
    number = billing.invoices + 1
    in_flight_micros, taken_over_micros, bills = _take_over_bills(turn, billing, number, period.end_ms)
    rest_micros = taken_over_micros - billing.credit_micros
    rest_micros += sum(line.amount_micros for line in lines if line.kind in _PAID_BY_INVOICE)
    bills_micros = in_flight_micros + max(0, rest_micros)
    turn.billing = replace(billing, bills=bills, invoices=number, credit_micros=max(0, -rest_micros))
    open_micros = bills_micros + overage_open_micros
    if open_micros:
        waits_for_micros = billing.card_invoiced_micros if overage_open_micros else 0
        turn.rows[invoice_key(turn.account_id, number)] = Invoice(bills_micros, waits_for_micros)
    _emit_issued(turn, period, plan, number, lines, open_micros)
    if rest_micros > 0:
        add_invoice_bill(turn, number, rest_micros)


def _lines(plan: AnyPlan, billing: Billing, period: Period) -> list[InvoiceLine]:
    lines = [
        InvoiceLine(kind=line.kind, description=line.description, amount_micros=line.amount_micros)
        for line in billing.lines
        if line.at_ms < period.end_ms
    ]
    lines += _overage_lines(plan, period)
    taxed_micros = sum(line.amount_micros for line in lines)
    if period.top_up_micros:
        lines.append(InvoiceLine(kind="top_up", description="Wallet top-ups", amount_micros=period.top_up_micros))
    numbers = list(_number_lines(billing, period))
    taxed_micros += sum(line.amount_micros for line in numbers)
    tax_micros = round_half_up(taxed_micros * billing.tax_rate_ppm, plan.charge_quantum_micros * _PPM) // _PPM
    lines += numbers
    if tax_micros:
        described = f"Tax {_percent(billing.tax_rate_ppm)} %"
        lines.append(InvoiceLine(kind="tax", description=described, amount_micros=tax_micros))
    return lines


def _overage_lines(plan: AnyPlan, period: Period) -> Iterator[InvoiceLine]:
    what = "beyond the included minutes" if isinstance(plan, MinutesPlan) else "beyond those included and paid features"
    for direction, micros in overage_micros(period).items():
        if micros:
            described = f"{direction.capitalize()} calls {what}"
            yield InvoiceLine(kind="overage", description=described, amount_micros=micros, direction=direction)


def _number_lines(billing: Billing, period: Period) -> Iterator[InvoiceLine]:
    """A whole month's fee for each number that the account held at any time in the period. Rule P12."""
    for phone in billing.numbers:
        removed_ms = phone.removed_at_ms
        if phone.added_at_ms < period.end_ms and (removed_ms is None or removed_ms > period.start_ms):
            described = f"Phone number {phone.number}"
            yield InvoiceLine(kind="phone_number", description=described, amount_micros=phone.monthly_fee_micros)


def _is_gone(phone: PhoneNumber, period: Period) -> bool:
    return phone.removed_at_ms is not None and phone.removed_at_ms <= period.end_ms


def _percent(rate_ppm: int) -> str:
    """Parts per million as a percentage: `8.25`."""
    whole, rest = divmod(rate_ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def _take_over_bills(turn: Turn, billing: Billing, number: int, end_ms: int) -> tuple[int, int, tuple[str, ...]]:
    """The sum of the fees whose payment is in flight, the sum of those that the invoice takes over, and the names of
    the bills that stay open.

    A bill without a row is paid. A bill that waits or is to be retried is taken over: the invoice requests it. Bills
    from `end_ms` on belong to a later invoice.
    """
    in_flight_micros, taken_over_micros, kept = 0, 0, []
    for name in billing.bills:
        key = bill_key(turn.account_id, name)
        bill = turn.get(key, Bill)
        if bill is None:
            continue
        if bill.invoice or bill.at_ms >= end_ms:
            kept.append(name)
        elif bill.status == REQUESTED:
            in_flight_micros += bill.amount_micros
            turn.rows[key] = replace(bill, invoice=number)
            kept.append(name)
        else:
            taken_over_micros += bill.amount_micros
            turn.rows[key] = None
    return in_flight_micros, taken_over_micros, tuple(kept)


def _emit_issued(
    turn: Turn, period: Period, plan: str, number: int, lines: list[InvoiceLine], open_micros: int
) -> None:
    name = invoice_id(turn.account_id, number)
    account = turn.account
    turn.emit(
        InvoiceIssued(
            id=f"{name}/issued",
            **turn.common,
            invoice_id=name,
            number=number,
            period_start=format_instant(period.start_ms),
            period_end=format_instant(period.end_ms),
            time_zone=account.time_zone,
            plan=plan,
            currency=account.currency,
            lines=tuple(lines),
            total_micros=sum(line.amount_micros for line in lines),
            tax_micros=sum(line.amount_micros for line in lines if line.kind == "tax"),
            open_micros=open_micros,
            status="open" if open_micros else "paid",
            billing_email=account.billing_email,
        )
    )
