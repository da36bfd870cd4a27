"""What holds of the naive model's bills by itself: every sum owed is paid, open or carried, and none of them twice."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import paid_by
from tests.model.naive_world import Fact

BILLS = ("overage", "subscription", "invoice")


def unbalanced(account: NaiveAccount, facts: list[list[Fact]]) -> list[str]:
    """A sentence if what an account ever owed by card is not what it paid, what is open and what is carried."""
    billing = account.billing
    own = [fact for of_input in facts for fact in of_input if fact.get("account_id") == account.account_id]
    invoices = [fact for fact in own if fact["type"] == "invoice-issued"]
    on_invoices = [
        amount for one in invoices for kind, amount, _ in one["costing_lines"] if kind in ("phone_number", "tax")
    ]
    paid_out = [
        fact["amount_micros"]
        for fact in own
        if fact["type"] == "ledger-entry-posted" and fact["kind"] == "adjustment" and "reference" in fact
    ]
    owed = sum(fee.amount for fee in billing.fees) + sum(cost.card for cost in billing.costs)
    owed += sum(on_invoices) + sum(paid_out)
    paid = sum(p.amount for p in account.payments if p.purpose in BILLS and p.answer == "succeeded")
    still_open = sum(fee.amount - paid_by(fee.payments) for fee in billing.fees if fee.invoice is None)
    still_open += sum(invoice.open for invoice in billing.invoices)
    still_open += sum(cost.card for cost in billing.costs_up_to()) - paid_by(billing.waiting_overage_payments)
    if owed == paid + still_open + billing.carried:
        return []
    return [f"{account.account_id}: owed {owed}, paid {paid}, open {still_open}, carried {billing.carried}"]
