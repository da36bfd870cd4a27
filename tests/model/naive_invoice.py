"""The end of a billing period in the naive model: the invoice, its bill, and what is carried on. Rules B1-B7, B9."""

from typing import Any

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import NaiveInvoice, counted_of
from tests.model.naive_bills import ask_bill
from tests.model.naive_charge import start_of_period
from tests.model.naive_lines import Line, fees_of, lines_of, statement
from tests.model.naive_lots import Movement
from tests.model.naive_overage import drop_overage_wait
from tests.model.naive_subscription import end_term, runs_after
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, post


def end_period(world: World, account: NaiveAccount, wire: Wire) -> None:
    """One boundary: the invoice, its payment, a carried sum into the wallet, the renewal. In this order. Rule B6."""
    billing = account.billing
    period = billing.next_period
    billing.next_period += 1
    if period >= billing.first_period:
        carry_what_is_left(world, account)
        lines = lines_of(account, period)
        wallet = statement(account, period, lines)
        if any(line.kind != "carried" for line in lines):
            issue(world, account, wire, period, lines, wallet)
        elif lines:
            world.reached.add("carried without an invoice")
        pay_into_wallet(world, account, wire, period + 1)
    end_term(world, account, wire, period + 1)


def carry_what_is_left(world: World, account: NaiveAccount) -> None:
    """What of an issued invoice is open, not in flight, and no card can be asked for. Rule G13."""
    for invoice in account.billing.invoices:
        left = invoice.bill
        if left and left == invoice.open and not account.money.payable_part(left):
            world.reached.add("rest of an invoice carried")
            account.billing.carried_entries.append(left)
            invoice.due -= left
            invoice.retries.due_ms = None


def issue(
    world: World, account: NaiveAccount, wire: Wire, period: int, lines: list[Line], wallet: dict[str, int]
) -> None:
    billing = account.billing
    number = len(billing.invoices) + 1
    invoice = NaiveInvoice(number, f"{account.account_id}/invoice/{number}")
    total = sum(line.amount for line in lines)
    top_ups = sum(line.amount for line in lines if line.kind == "top_up")
    counted = take_over(world, account, invoice, period)
    rest = total - top_ups - counted
    bill = account.money.payable_part(rest)
    carried = rest - bill
    if carried:
        world.reached.add("carried more" if carried > 0 else "carried less")
        if bill:
            world.reached.add("carried beside a bill")
    billing.carried_entries = [carried] if carried else []
    invoice.due = total - top_ups - carried
    invoice.is_paid = invoice.open == 0
    billing.invoices.append(invoice)
    world.reached.add("invoice paid at once" if invoice.is_paid else "invoice open")
    say_issued(world, account, wire, period, invoice, lines=lines, wallet=wallet, carried=carried)
    ask_bill(world, account, wire, invoice)


def take_over(world: World, account: NaiveAccount, invoice: NaiveInvoice, period: int) -> int:
    """Fees, costs and the payments for them are the invoice's from now on. What those have paid or are asking for.

    An overage payment counts for it even where it covers calls of a later period. Rules B1, B3, P14, M6.
    """
    billing = account.billing
    due_before = billing.card_due
    counted = 0
    for fee in fees_of(account, period):
        counted += counted_of(fee.payments, fee.amount)
        fee.invoice = invoice
        fee.retries.due_ms = None
        invoice.payments += fee.payments
    costs = billing.costs_up_to(period)
    counted_overage = counted_of(billing.waiting_overage_payments, billing.overage_owed)
    invoice.payments += billing.waiting_overage_payments
    for cost in costs:
        cost.is_invoiced = True
    for entry in billing.entries:
        entry.is_topped_up = entry.is_topped_up or entry.period <= period
    later = max(0, sum(cost.card for cost in billing.costs_up_to()))
    billing.ahead = min(later, max(0, billing.ahead + counted_overage - sum(cost.card for cost in costs)))
    for payment in invoice.payments:
        payment.invoice = invoice
    if billing.ahead:
        world.reached.add("overage paid ahead")
    if billing.card_due < due_before:
        world.reached.add("overage taken over by an invoice")
        billing.overage.declines = 0
    drop_overage_wait(account)
    return counted + counted_overage


def pay_into_wallet(world: World, account: NaiveAccount, wire: Wire, next_period: int) -> None:
    """A negative carried sum that no invoice may ever take: all but what was paid for later calls. Rule B6."""
    billing = account.billing
    amount = -billing.carried - billing.ahead
    is_held = any(number.removed_ms is None for number in billing.numbers)
    if amount <= 0 or is_held or runs_after(account, world, next_period):
        return
    world.reached.add("carried sum paid into the wallet")
    billing.carried_entries.append(amount)
    name = billing.invoices[-1].name
    account.movements.append(Movement("credit", amount, f"carried {next_period}"))
    post(world, account, wire, "adjustment", amount, reference=name)


def say_issued(
    world: World,
    account: NaiveAccount,
    wire: Wire,
    period: int,
    invoice: NaiveInvoice,
    *,
    lines: list[Line],
    wallet: dict[str, int],
    carried: int,
) -> None:
    billing = account.billing
    reference = world.invoice_number_format.format(account=account.account_id, number=invoice.number)
    said: dict[str, Any] = {
        "invoice_id": invoice.name,
        "number": invoice.number,
        "reference": reference,
        "buyer": dict(billing.details) or None,
        "period_start": start_of_period(account, period),
        "period_end": start_of_period(account, period + 1),
        "time_zone": account.time_zone,
        "currency": account.currency,
        "costing_lines": [(line.kind, line.amount, line.direction) for line in lines],
        "line_units": [(line.quantity, line.unit) for line in lines],
        "wallet": wallet,
        "carried_micros": carried,
        "reversed_micros": invoice.reversed or None,
        "total_micros": sum(line.amount for line in lines),
        "tax_micros": sum(line.amount for line in lines if line.kind == "tax"),
        "status": "paid" if invoice.is_paid else "open",
        "billing_email": billing.billing_email,
    }
    world.fact(account.account_id, wire, type="invoice-issued", **said)


def tell_paid(world: World, account: NaiveAccount, wire: Wire) -> None:
    for invoice in account.billing.invoices:
        if not invoice.is_paid and invoice.open == 0:
            invoice.is_paid = True
            world.reached.add("invoice paid later")
            world.fact(account.account_id, wire, type="invoice-paid", invoice_id=invoice.name)
