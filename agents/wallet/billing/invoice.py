"""The invoice of a billing period: what of it is still to be paid, and what goes on to the next one.

Rules B1 to B9, M11, M13 and P12.
"""

from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from agents.wallet.billing.bills import (
    INVOICE,
    carry_unpayable,
    find_bill,
    invoice_bill,
    put_bill,
    remembered,
    request_bill,
)
from agents.wallet.billing.carried import pay_out_carried
from agents.wallet.billing.invoice_lines import is_gone, lines_of, wallet_used_micros
from agents.wallet.billing.overage import overage_bill, take_over_overage
from agents.wallet.owner.account import buyer_of
from agents.wallet.turn import Turn
from schemas.account import Period
from schemas.billing import Bill
from schemas.instant import format_instant
from schemas.invoices import InvoiceIssued, InvoiceLine, WalletStatement
from schemas.payment_rows import Payment
from schemas.rows import bill_key, payment_key

# Lines that other payments are for: they come into the rest of an invoice by what those have left open.
_PAID_BY_OTHERS = frozenset({"subscription", "proration", "top_up"})


class _Fees(NamedTuple):
    """Fees and prorations that an invoice takes over: what is open of them, below 0 for a proration that gives money
    back; what is in flight and not paid; what payments are asking for; what came back. Micros.
    """

    open_micros: int
    unpaid_micros: int
    asked_micros: int
    reversed_micros: int


def end_billing(turn: Turn, period: Period, *, goes_on: bool) -> None:
    """Issue the invoice of a billed period that has ended, and request what nothing else has paid or is asking for.

    `goes_on` is whether a subscription runs after the tick. A period whose only line would be what is carried has no
    invoice; its removed numbers and its wallet statement end all the same. Rules B1, B5 and B6.
    """
    carry_unpayable(turn)
    billing = turn.billing
    lines = lines_of(billing, period, turn.currency)
    wallet = _statement(billing.closing_micros, period)
    ahead_micros = 0
    if any(line.kind != "carried" for line in lines):
        ahead_micros = _issue(turn, period, lines, wallet)
    numbers = tuple(phone for phone in turn.billing.numbers if not is_gone(phone, period))
    turn.billing = replace(turn.billing, numbers=numbers, closing_micros=wallet.closing_micros)
    if not goes_on and all(phone.removed_at_ms is not None for phone in numbers):
        pay_out_carried(turn, ahead_micros)


def _statement(opening_micros: int, period: Period) -> WalletStatement:
    """What moved the wallet in the period. Rule B7."""
    credited_micros, used_micros = period.credited_micros, wallet_used_micros(period)
    return WalletStatement(
        opening_micros=opening_micros,
        credited_micros=credited_micros,
        used_micros=used_micros,
        closing_micros=opening_micros + credited_micros - used_micros,
    )


def _issue(turn: Turn, period: Period, lines: tuple[InvoiceLine, ...], wallet: WalletStatement) -> int:
    """Issue the invoice and request its bill. Returns what overage payments have covered of calls of later periods.
    Rules B1, B3 and P14.
    """
    number = turn.billing.invoices + 1
    reversed_micros = overage_bill(turn).reversed_micros
    later_micros = sum(p.card_micros for p in turn.periods if p.end_ms > period.end_ms)
    overage = take_over_overage(turn, period.card_micros, later_micros)
    fees = _take_over_fees(turn, number, period.end_ms)
    rest_micros = sum(line.amount_micros for line in lines if line.kind not in _PAID_BY_OTHERS)
    rest_micros += fees.open_micros - overage.settled_micros
    bill_micros = turn.currency.payable_micros(rest_micros)
    bill = Bill(
        INVOICE,
        bill_micros + fees.unpaid_micros + overage.unpaid_micros,
        at_ms=turn.instant_ms,
        asked_micros=fees.asked_micros + overage.asked_micros,
        reversed_micros=reversed_micros + fees.reversed_micros,
    )
    billing = turn.billing
    kept = tuple(line for line in billing.lines if line.at_ms >= period.end_ms)
    carried_micros = rest_micros - bill_micros
    turn.billing = replace(billing, lines=kept, invoices=number, carried_micros=carried_micros)
    _emit_issued(turn, period, number, lines, wallet, bill)
    name = invoice_bill(number)
    if bill.amount_micros:
        put_bill(turn, name, bill)
        request_bill(turn, name, alert=True)
    elif bill.reversed_micros:
        put_bill(turn, name, remembered(turn, bill))
    return overage.ahead_micros


def _take_over_fees(turn: Turn, number: int, end_ms: int) -> _Fees:
    """Take the fees and prorations from before `end_ms` into invoice `number`: their own retries end, and answers to
    their payments count for the invoice. Rules B1 and B4.
    """
    fees, kept = _Fees(0, 0, 0, 0), []
    for name in turn.billing.bills:
        bill = find_bill(turn, name)
        if bill is None:
            continue  # Paid, in rows of an earlier version.
        if bill.at_ms >= end_ms:
            kept.append(name)
            continue
        turn.rows[bill_key(turn.account_id, name)] = None
        for attempt in range(1, bill.attempts + 1):
            key = payment_key(turn.account_id, f"{turn.account_id}/{name}/{attempt}")
            payment = turn.get(key, Payment)
            if payment is not None:
                turn.rows[key] = replace(payment, invoice=number)
        open_micros = bill.open_micros or min(0, bill.amount_micros)
        fees = _Fees(
            fees.open_micros + open_micros,
            fees.unpaid_micros + bill.amount_micros - open_micros,
            fees.asked_micros + bill.asked_micros,
            fees.reversed_micros + bill.reversed_micros,
        )
    turn.billing = replace(turn.billing, bills=tuple(kept))
    return fees


def _emit_issued(
    turn: Turn, period: Period, number: int, lines: tuple[InvoiceLine, ...], wallet: WalletStatement, bill: Bill
) -> None:
    account, name = turn.account, f"{turn.account_id}/{invoice_bill(number)}"
    turn.emit(
        InvoiceIssued(
            id=f"{name}/issued",
            **turn.common,
            invoice_id=name,
            number=number,
            reference=turn.view.catalogue.invoice_number.shown(turn.account_id, number),
            buyer=buyer_of(account),
            period_start=format_instant(period.start_ms),
            period_end=format_instant(period.end_ms),
            time_zone=account.time_zone,
            currency=account.currency,
            lines=lines,
            wallet=wallet,
            carried_micros=turn.billing.carried_micros,
            reversed_micros=bill.reversed_micros or UNSET,
            total_micros=sum(line.amount_micros for line in lines),
            tax_micros=sum(line.amount_micros for line in lines if line.kind == "tax"),
            open_micros=bill.amount_micros,
            status="open" if bill.amount_micros else "paid",
            billing_email=account.billing_email or UNSET,
        )
    )
