"""The invoice of a billing period. Rules M11, M13 and P12."""

from collections.abc import Iterator

from msgspec.structs import replace

from agents.wallet.bills import bill_invoice
from agents.wallet.payment import REQUESTED
from agents.wallet.settlement import invoice_id
from agents.wallet.turn import Turn
from agents.wallet.usage import overage_micros
from schemas.account import Period
from schemas.instant import format_instant
from schemas.invoices import InvoiceIssued, InvoiceLine
from schemas.money import round_half_up
from schemas.plan import AnyPlan, MinutesPlan
from schemas.rows import Bill, Billing, Invoice, PhoneNumber, bill_key, invoice_key

_PPM = 1_000_000


def issue_invoice(turn: Turn, period: Period, plan: str) -> None:
    """Issue the invoice of a period that has ended under `plan`, and ask for what nothing else pays. Rule P12.

    What the period brought is used up, also where there is no invoice: without a fee, and with nothing to pay.
    """
    billing = turn.billing
    lines = _lines(turn.view.terms(plan, turn.view.catalogue.version), billing, period)
    mark_micros = billing.card_invoiced_micros + period.card_micros
    left = replace(
        billing,
        lines=tuple(line for line in billing.lines if line.at_ms >= period.end_ms),
        numbers=tuple(phone for phone in billing.numbers if not _is_gone(phone, period)),
        card_invoiced_micros=mark_micros,
    )
    if any(line.amount_micros or line.kind == "subscription" for line in lines):
        overage_open_micros = min(max(0, mark_micros - billing.card_settled_micros), period.card_micros)
        _issue(turn, left, period, plan, lines, overage_open_micros)
    elif left != billing:
        turn.billing = left


def _issue(
    turn: Turn, billing: Billing, period: Period, plan: str, lines: list[InvoiceLine], overage_open_micros: int
) -> None:
    number = billing.invoices + 1
    in_flight_micros, folded_micros, bills = _take_bills(turn, billing, number, period.end_ms)
    asked_here = {"phone_number", "tax"}
    rest_micros = folded_micros - billing.credit_micros
    rest_micros += sum(line.amount_micros for line in lines if line.kind in asked_here)
    bills_micros = in_flight_micros + max(0, rest_micros)
    turn.billing = replace(billing, bills=bills, invoices=number, credit_micros=max(0, -rest_micros))
    open_micros = bills_micros + overage_open_micros
    if open_micros:
        waits_for_micros = billing.card_invoiced_micros if overage_open_micros else 0
        turn.rows[invoice_key(turn.account_id, number)] = Invoice(bills_micros, waits_for_micros)
    _say(turn, period, plan, number, lines, open_micros)
    if rest_micros > 0:
        bill_invoice(turn, number, rest_micros)


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
    """The whole month for each number that was held at any time in it. Rule P12."""
    for phone in billing.numbers:
        removed_ms = phone.removed_at_ms
        if phone.added_at_ms < period.end_ms and (removed_ms is None or removed_ms > period.start_ms):
            described = f"Phone number {phone.number}"
            yield InvoiceLine(kind="phone_number", description=described, amount_micros=phone.monthly_fee_micros)


def _is_gone(phone: PhoneNumber, period: Period) -> bool:
    return phone.removed_at_ms is not None and phone.removed_at_ms <= period.end_ms


def _percent(rate_ppm: int) -> str:
    """Parts per million in percent, as people write it: `8.25`."""
    whole, rest = divmod(rate_ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def _take_bills(turn: Turn, billing: Billing, number: int, end_ms: int) -> tuple[int, int, tuple[str, ...]]:
    """What is being asked for of the fees, what the invoice asks for in their place, and the names still open.

    A bill that is gone is paid; one that waits or is to be retried is the invoice's from now on. Those from `end_ms`
    on are a later invoice's.
    """
    in_flight_micros, folded_micros, kept = 0, 0, []
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
            folded_micros += bill.amount_micros
            turn.rows[key] = None
    return in_flight_micros, folded_micros, tuple(kept)


def _say(turn: Turn, period: Period, plan: str, number: int, lines: list[InvoiceLine], open_micros: int) -> None:
    name = invoice_id(turn.account_id, number)
    account = turn.account
    turn.say(
        InvoiceIssued(
            id=f"{name}/issued",
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
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
