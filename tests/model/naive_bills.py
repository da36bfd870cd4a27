"""Fees, prorations and the bills of invoices in the naive model, as the default card is asked for them. M6, B4, B10."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_alert import tell
from tests.model.naive_billing import NaiveFee, NaiveInvoice, NaivePayment, Retries, asked_by, paid_by
from tests.model.naive_overage import ask_overage_of_new_card
from tests.model.naive_time import DAY_MS
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, instant_of, request_payment

RETRIES_MS = (DAY_MS, 3 * DAY_MS, 5 * DAY_MS)


def ask_fee(world: World, account: NaiveAccount, wire: Wire, fee: NaiveFee, *, tells: bool = False) -> None:
    """Asks the default card for what is open of a fee, unless that is too little; without a card it waits. B10, P11."""
    if fee.invoice is not None or not account.money.is_payable(fee.open):
        return
    card = account.usable_card(account.default_card)
    if card is not None:
        request_payment(world, account, wire, "subscription", amount=fee.open, card=card, fee=fee)
    elif tells:
        tell_no_card(world, account, wire, "subscription", fee.open, fee.retries)


def ask_bill(world: World, account: NaiveAccount, wire: Wire, invoice: NaiveInvoice) -> None:
    """Asks the default card for what is payable of an invoice's bill. Rules B4, G13."""
    amount = account.money.payable_part(invoice.bill)
    card = account.usable_card(account.default_card)
    if not amount:
        return
    if card is not None:
        request_payment(world, account, wire, "invoice", amount=amount, about=invoice.name, card=card, invoice=invoice)
    else:
        tell_no_card(world, account, wire, "invoice", amount, invoice.retries, invoice_id=invoice.name)


def tell_no_card(
    world: World,
    account: NaiveAccount,
    wire: Wire,
    purpose: str,
    amount: int,
    retries: Retries,
    invoice_id: str | None = None,
) -> None:
    """Once for each reason. Rules P11, B4, R7."""
    reason = "dispute" if account.card(account.default_card) else "no_payment_method"
    if reason in retries.told:
        return
    retries.told.add(reason)
    world.reached.add(f"{purpose} without a card: {reason}")
    said = {"purpose": purpose, "payment_id": None, "invoice_id": invoice_id, "reason": reason, "retry_at": None}
    tell(world, account, wire, "subscription-payment-declined", amount=amount, card=None, **said)


def decline_bill(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    """A decline of a fee, a proration, overage or an invoice's bill: told, and waited for as far as any is open.

    On an issued invoice it goes back into the bill, whatever it was for. Rules M6, B4.
    """
    invoice = payment.invoice
    if invoice is not None:
        retries, is_open = invoice.retries, account.money.payable_part(invoice.bill) > 0
    elif payment.fee is not None:
        retries, is_open = payment.fee.retries, account.money.is_payable(payment.fee.open)
    else:
        retries, is_open = account.billing.overage, account.money.payable_part(account.billing.card_due) > 0
    what = f"{payment.purpose} of an invoice" if invoice is not None else payment.purpose
    retries.declines += 1
    retries.due_ms = None
    if is_open and retries.declines <= len(RETRIES_MS):
        retries.due_ms = instant_of(world, wire) + RETRIES_MS[retries.declines - 1]
    elif is_open:
        world.reached.add(f"{what} retries exhausted")
    world.reached.add(f"{what} declined")
    tell(
        world,
        account,
        wire,
        "subscription-payment-declined",
        amount=payment.amount,
        card=payment.card,
        purpose=payment.purpose,
        payment_id=payment.name,
        invoice_id=None if invoice is None else invoice.name,
        reason=wire["reason"],
        retry_at=retries.due_ms,
    )


def retry_fee(world: World, account: NaiveAccount, wire: Wire, fee: NaiveFee) -> None:
    world.reached.add("subscription retried")
    fee.retries.due_ms = None
    ask_fee(world, account, wire, fee, tells=True)


def retry_bill(world: World, account: NaiveAccount, wire: Wire, invoice: NaiveInvoice) -> None:
    world.reached.add("invoice retried")
    invoice.retries.due_ms = None
    ask_bill(world, account, wire, invoice)


def succeed_bill(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment, *, is_late: bool) -> None:
    """What is open falls; what is paid beyond it is carried to the next invoice. Rules P7, M6.

    What one payment of an invoice could not ask for, because it was beyond the greatest charge, the next one does. B4.
    """
    billing, invoice, fee = account.billing, payment.invoice, payment.fee
    if invoice is not None:
        owed, payments = invoice.due, invoice.payments
    elif fee is not None:
        owed, payments = fee.amount, fee.payments
    else:
        owed, payments = billing.overage_owed, billing.waiting_overage_payments
    payment.beyond = max(0, paid_by(payments) - owed)
    if payment.beyond:
        world.reached.add(f"{payment.purpose} paid beyond what was owed")
        billing.carried_entries.append(-payment.beyond)
    if invoice is not None:
        if invoice.bill == 0:
            invoice.retries.due_ms = None
        elif not is_late and not asked_by(invoice.payments) and invoice.retries.due_ms is None:
            world.reached.add("rest of an invoice asked")
            ask_bill(world, account, wire, invoice)
    elif fee is not None:
        if fee.open == 0:
            fee.retries.due_ms = None
    else:
        billing.overage.declines = 0


def ask_new_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    """A new default card is asked for all that is open, fees first and overage last; counts begin anew. M6, B4."""
    for fee in account.billing.fees:
        if fee.invoice is None:
            fee.retries.declines = 0
            if fee.open:
                world.reached.add("subscription asked of a new card")
                fee.retries.due_ms = None
                ask_fee(world, account, wire, fee)
    for invoice in account.billing.invoices:
        invoice.retries.declines = 0
        if invoice.bill:
            world.reached.add("invoice asked of a new card")
            invoice.retries.due_ms = None
            ask_bill(world, account, wire, invoice)
    ask_overage_of_new_card(world, account, wire)
