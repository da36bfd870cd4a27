"""Fees, prorations and invoices in the naive model, as the default card is asked for them. Rules M6, P11, 0015."""

from tests.model.naive_account import NaiveAccount, NaivePayment
from tests.model.naive_billing import NaiveBill
from tests.model.naive_overage import ask_for_overage
from tests.model.naive_time import DAY_MS
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, instant_of, request_payment

RETRIES_MS = (DAY_MS, 3 * DAY_MS, 5 * DAY_MS)


def ask(world: World, account: NaiveAccount, wire: Wire, bill: NaiveBill, *, tells: bool = False) -> None:
    """Asks the default card; without one the bill waits, which is told where `tells` says so."""
    card = account.card(account.default_card)
    if bill.amount <= 0:
        return
    if card is not None:
        bill.state = "asked"
        request_payment(world, account, wire, bill.purpose, amount=bill.amount, about="", card=card, bill=bill)
        return
    bill.state = "waiting"
    world.reached.add(f"{bill.purpose} without a card")
    if tells:
        world.fact(
            account.account_id,
            wire,
            type="subscription-payment-declined",
            purpose=bill.purpose,
            amount_micros=bill.amount,
            reason="no_payment_method",
            payment_id=None,
            retry_at=None,
        )


def settle_bill(payment: NaivePayment) -> None:
    assert payment.bill is not None
    payment.bill.state = "paid"


def decline_bill(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    """Each decline is told; three retries, each counted from the latest decline, whatever kind of decline it was."""
    bill = payment.bill
    assert bill is not None
    bill.declines += 1
    retry_at = None
    if bill.declines <= len(RETRIES_MS):
        bill.state = "retrying"
        bill.retry_due_ms = instant_of(world, wire) + RETRIES_MS[bill.declines - 1]
        retry_at = bill.retry_due_ms
    else:
        bill.state = "exhausted"
        world.reached.add(f"{bill.purpose} retries exhausted")
    world.fact(
        account.account_id,
        wire,
        type="subscription-payment-declined",
        purpose=bill.purpose,
        amount_micros=bill.amount,
        reason=wire["reason"],
        payment_id=payment.name,
        retry_at=retry_at,
    )


def retry_bill(world: World, account: NaiveAccount, wire: Wire, bill: NaiveBill) -> None:
    world.reached.add(f"{bill.purpose} retried")
    ask(world, account, wire, bill, tells=True)


def ask_new_card(world: World, account: NaiveAccount, wire: Wire, *, is_first: bool) -> None:
    """Another default card is asked for what was given up; the first one for all that waits, overage last."""
    bills = account.billing.bills
    fees = [bill for bill in bills if bill.purpose == "subscription"]
    invoices = [bill for bill in bills if bill.purpose == "invoice"]
    for bill in [*fees, *invoices]:
        if bill.amount > 0 and (bill.state == "exhausted" or (is_first and bill.state == "waiting")):
            world.reached.add(f"{bill.purpose} asked of a new card ({bill.state})")
            bill.declines = 0
            ask(world, account, wire, bill)
    if is_first and account.billing.is_overage_wanted:
        world.reached.add("overage asked of a new card")
        ask_for_overage(world, account, wire)
