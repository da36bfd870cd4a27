"""Invoices of the naive model: what the end of a billing period puts on one, and when it is paid. Decision 0016."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import DIRECTIONS, NaiveBill, NaiveInvoice, NaiveNumber
from tests.model.naive_bills import ask
from tests.model.naive_charge import start_of_period
from tests.model.naive_money import half_up
from tests.model.naive_overage import ask_for_overage
from tests.model.naive_subscription import end_term
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, instant_of


@dataclass(frozen=True)
class Line:
    kind: str
    amount: int
    direction: str | None = None


def end_period(world: World, account: NaiveAccount, wire: Wire) -> None:
    """One boundary: overage, the invoice, what is asked for with it, the renewal. In this order."""
    period = account.billing.next_period
    account.billing.next_period += 1
    ask_for_overage(world, account, wire)
    issue(world, account, wire, period)
    end_term(world, account, wire, period + 1)


def issue(world: World, account: NaiveAccount, wire: Wire, period: int) -> None:
    billing = account.billing
    lines = lines_of(account, period)
    mark_invoiced(account, period)
    if not lines:
        return
    number = len(billing.invoices) + 1
    invoice = NaiveInvoice(number)
    billing.invoices.append(invoice)
    rest = rest_of(account, lines, period, number)
    bill = NaiveBill("invoice", max(0, rest), period, number)
    billing.credit = min(0, rest)
    billing.bills.append(bill)
    open_micros = billing.open_of(number)
    invoice.is_paid = open_micros == 0
    world.reached.add("invoice paid at once" if invoice.is_paid else "invoice open")
    say_issued(world, account, wire, period, invoice=number, lines=lines, open_micros=open_micros)
    ask(world, account, wire, bill)


def lines_of(account: NaiveAccount, period: int) -> list[Line]:
    """The lines that are not 0, in their order."""
    billing = account.billing
    fees = [fee for fee in billing.fees if not fee.is_invoiced and fee.period <= period]
    lines = [Line(kind, fee.amount) for kind in ("subscription", "proration") for fee in fees if fee.kind == kind]
    costs = [cost for cost in billing.costs if not cost.is_invoiced and cost.period <= period]
    lines += [Line("overage", sum(cost.amount for cost in costs if cost.direction == way), way) for way in DIRECTIONS]
    top_ups = sum(payment.amount for payment in account.payments if payment.name in top_ups_of(account, period))
    numbers = [Line("phone_number", number.fee) for number in billing.numbers if is_held_in(account, number, period)]
    taxed = sum(line.amount for line in [*lines, *numbers])
    tax = half_up(Fraction(taxed * billing.tax_ppm, 1_000_000), account.plan_in(period).quantum_micros)
    lines += [Line("top_up", top_ups), *numbers, Line("tax", tax)]
    return [line for line in lines if line.amount]


def top_ups_of(account: NaiveAccount, period: int) -> set[str]:
    return {
        payment.name
        for payment in account.payments
        if payment.purpose in ("purchase", "refill")
        and payment.answer == "succeeded"
        and account.period_of(payment.answered_ms) <= period
        and payment.name not in account.billing.invoiced_top_ups
    }


def is_held_in(account: NaiveAccount, number: NaiveNumber, period: int) -> bool:
    """Whether the number was the account's at any time in the period. Rule P12."""
    start_ms, end_ms = start_of_period(account, period), start_of_period(account, period + 1)
    return number.added_ms < end_ms and (number.removed_ms is None or number.removed_ms > start_ms)


def mark_invoiced(account: NaiveAccount, period: int) -> None:
    billing = account.billing
    for fee in billing.fees:
        fee.is_invoiced = fee.is_invoiced or fee.period <= period
    for cost in billing.costs:
        cost.is_invoiced = cost.is_invoiced or cost.period <= period
    billing.invoiced_top_ups |= top_ups_of(account, period)


def rest_of(account: NaiveAccount, lines: list[Line], period: int, number: int) -> int:
    """What nothing else has paid or is being asked for. What is in flight, and overage, keep to this invoice too."""
    billing = account.billing
    for entry in billing.card_entries:
        if entry.invoice is None and entry.period <= period:
            entry.invoice = number
    rest = sum(line.amount for line in lines if line.kind in ("phone_number", "tax")) + billing.credit
    for bill in billing.bills:
        if bill.invoice is None and bill.period <= period and bill.state not in ("paid", "carried"):
            if bill.state == "asked":
                bill.invoice = number
            else:
                bill.state = "carried"
                rest += bill.amount
    return rest


def say_issued(
    world: World, account: NaiveAccount, wire: Wire, period: int, *, invoice: int, lines: list[Line], open_micros: int
) -> None:
    said: dict[str, Any] = {
        "type": "invoice-issued",
        "number": invoice,
        "period_start": start_of_period(account, period),
        "period_end": start_of_period(account, period + 1),
        "time_zone": account.time_zone,
        "currency": account.currency,
        "costing_lines": [(line.kind, line.amount, line.direction) for line in lines],
        "total_micros": sum(line.amount for line in lines),
        "tax_micros": sum(line.amount for line in lines if line.kind == "tax"),
        "open_micros": open_micros,
        "status": "open" if open_micros else "paid",
        "billing_email": account.billing.billing_email,
    }
    if account.plan_in(period) == account.plan:  # Changed in between, the documents do not say which one it names.
        said["plan"] = account.plan.name
    world.fact(account.account_id, wire, **said)


def tell_paid(world: World, account: NaiveAccount, wire: Wire) -> None:
    for invoice in account.billing.invoices:
        if not invoice.is_paid and account.billing.open_of(invoice.number) == 0:
            invoice.is_paid = True
            world.reached.add("invoice paid later")
            world.fact(account.account_id, wire, type="invoice-paid", number=invoice.number)


def add_number(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Rule M13, decision 0020: one that is there takes the fee, one removed in this period is taken back."""
    now_ms = instant_of(world, wire)
    for number in account.billing.numbers:
        removed_ms = number.removed_ms
        if number.number == wire["number"] and (
            removed_ms is None or account.period_of(removed_ms) == account.period_of(now_ms)
        ):
            world.reached.add("number changed" if removed_ms is None else "number taken back")
            number.fee, number.removed_ms = wire["monthly_fee_micros"], None
            return
    account.billing.numbers.append(NaiveNumber(wire["number"], wire["monthly_fee_micros"], now_ms))


def remove_number(world: World, account: NaiveAccount, wire: Wire) -> None:
    known = [number for number in account.billing.numbers if number.number == wire["number"]]
    if not known:
        raise Refused("schema_invalid")
    if known[-1].removed_ms is not None:
        raise Repeated
    world.reached.add("number removed")
    known[-1].removed_ms = instant_of(world, wire)


def set_tax_rate(world: World, account: NaiveAccount, wire: Wire) -> None:
    account.billing.tax_ppm = wire["rate_ppm"]


def set_billing_email(world: World, account: NaiveAccount, wire: Wire) -> None:
    account.billing.billing_email = wire["billing_email"]
