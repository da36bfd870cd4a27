"""Golden rows with the fields that one payment for an invoice brought: see `golden_rows.py`."""

from msgspec.structs import replace

from schemas.account import Account, Row, Use
from schemas.billing import Bill, Billing, FeeLine
from schemas.payment_rows import Payment
from schemas.rows import bill_key, billing_key, payment_key

FEBRUARY_MS = 1_769_904_000_000


BILLS: dict[str, tuple[str, Row]] = {
    "payment-bills": (
        payment_key("acme", "acme/overage/1"),
        Payment("overage", "overage/1", 10_010_000, invoice=2, contradicted=True),
    ),
    "bill-bills": (
        bill_key("acme", "invoice/12"),
        Bill(
            "invoice",
            49_000_000,
            "",
            FEBRUARY_MS,
            0,
            2,
            1,
            FEBRUARY_MS,
            asked_micros=2_000_000,
            alerted=("no_payment_method",),
            reversed_micros=10_000,
        ),
    ),
}


def rows_with_bills(account: Account, billing: Billing) -> dict[str, tuple[str, Row]]:
    """Key and row by golden file, made from rows of the version before."""
    return {
        "account-bills": (
            "acme",
            replace(
                account,
                periods=(
                    replace(
                        account.periods[0],
                        credited_micros=20_000_000,
                        inbound_use=Use(1, 3_000_000, 60_000, 110_000, 110_000),
                    ),
                ),
                billed_from_ms=1_767_225_600_000,
            ),
        ),
        "billing-bills": (
            billing_key("acme"),
            replace(
                billing,
                lines=(FeeLine("subscription", "Professional, monthly fee", 49_000_000, 1_767_225_600_000, 1),),
                version=1,
                carried_micros=-250_000,
                closing_micros=5_000_000,
                overage_asked_micros=10_010_000,
            ),
        ),
        **BILLS,
    }
