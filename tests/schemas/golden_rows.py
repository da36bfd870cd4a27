"""The rows whose bytes are golden: what a changelog may hold, by the name of its file in `golden/`."""

from pathlib import Path

from msgspec.structs import replace

from schemas.account import (
    Account,
    BillingDetails,
    Card,
    Dispute,
    ExtraCalls,
    Hole,
    Period,
    Refill,
    RefillSetting,
    Row,
    Subscription,
    Threshold,
)
from schemas.billing import Bill, Billing, FeeLine, Invoice, PhoneNumber
from schemas.call import Call, Details, End, Leg, Rated, Reclassification
from schemas.payment_rows import Lot, Payment, Purchase, RecentLots, SeenGrant, SeenReversal
from schemas.plan import CreditsPlan, MinutesPlan
from schemas.rows import (
    CHECKPOINT_KEY,
    CLOCK_KEY,
    Checkpoint,
    Clock,
    SeenInput,
    Terms,
    bill_key,
    billing_key,
    call_key,
    grant_key,
    invoice_key,
    payment_key,
    purchase_key,
    recent_lots_key,
    refill_key,
    reversal_key,
    seen_key,
    terms_key,
)
from tests.schemas.golden_bills import rows_with_bills

GOLDEN = Path(__file__).with_name("golden")

ACCOUNT = Account(
    currency="USD",
    time_zone="Europe/Berlin",
    plan="free",
    opened_at_ms=1_767_225_600_000,
    refill_setting=RefillSetting(5_000_000, True, 20_000_000, "pm1", 60_000_000, False),
    thresholds=(Threshold(10_000_000, True), Threshold(0)),
    version=7,
    changed_by="i9",
    changed_at_ms=1_767_225_660_000,
    newest_ms=1_767_225_660_000,
    balance_micros=-5_990_000,
    held_micros=6_000_000,
    open_calls=1,
    credited_micros=10_000,
    holes=(Hole(0, 1_000_000, 1_767_225_600_000),),
    features=("extra_calls", "live_agent"),
    redirect_to="+15550100",
    billing_email="a@example.com",
    cards=(Card("pm1", "tok_1", "visa", "4242", 4, 2031),),
    default_card="pm1",
    refill=Refill("acme/refill/1", 20_000_000, "acme/refill/1/2", 1_767_225_660_000, 1_767_225_600_000, 1, 2, True),
    refills=1,
    redirected_calls=3,
    ledger_entries=4,
    alerts=5,
    periods=(Period(1_767_225_600_000, 1_769_904_000_000, 26, 1, 1, True, 3, 2, 1, 20_000_000, True),),
    due_ms=1_767_229_260_000,
)
CALL = Call(
    input_ids=("i7", "i8"),
    gate="admitted",
    started_at_ms=1_767_225_600_000,
    period_start_ms=1_767_225_600_000,
    plan="free",
    plan_version=1,
    features=("live_agent",),
    hold_micros=3_000_000,
    open=False,
    due_ms=1_770_249_660_001,
    end=End(1_767_225_600_000, 1_767_225_605_000, 1_767_225_660_000, "inbound", "completed", ("live_agent",), True),
    reclassification=Reclassification(1_767_225_700_000, "i9", False),
    ordinal=26,
    charged_micros=6_000_000,
    adjustments=2,
)

NEW_ACCOUNT = Account("USD", "UTC", "free", 1_767_225_600_000, RefillSetting(10_000_000), (Threshold(0),))
OPEN_CALL = Call(("i7",), "admitted", 1_767_225_600_000, 1_767_225_600_000, "free", 1, (), 0, True, 1_767_240_000_000)
PAYMENT = Payment("purchase", "p1", 20_000_000, "succeeded", 1_770_249_600_001)
FEBRUARY_MS = 1_769_904_000_000

# golden file -> key and row: each kind whole, and the two that live by millions also as they are at first.
ROWS: dict[str, tuple[str, Row]] = {
    "account": ("acme", ACCOUNT),
    "account-new": ("acme", NEW_ACCOUNT),
    "call": (call_key("acme", "c1"), CALL),
    "call-open": (call_key("acme", "c2"), OPEN_CALL),
    "checkpoint": (CHECKPOINT_KEY, Checkpoint(4_711, 12, {"USD": -5_990_000}, {"USD": 9_000_000}, {"USD": 3_000_000})),
    "clock": (CLOCK_KEY, Clock(1_767_225_600_000)),
    "seen-input": (seen_key("acme", "i1"), SeenInput(1_770_249_600_001)),
    "seen-grant": (grant_key("acme", "g1"), SeenGrant(5_000_000)),
    "purchase": (
        purchase_key("acme", "p1"),
        Purchase(20_000_000, "acme/purchase/p1", "pm1", "tok_1", "succeeded", 1_767_225_600_000, 10_000, 1),
    ),
    "refill": (refill_key("acme", "acme/refill/1"), Purchase(20_000_000, "acme/refill/1/1", "pm1", "tok_1")),
    "payment": (payment_key("acme", "acme/purchase/p1"), PAYMENT),
    "terms": (terms_key("free", 1), Terms(CreditsPlan(display_name="Pay as you go", tier="free"))),
}

# The same with the fields that minutes plans brought, and the kinds of rows that came with them.
WITH_MINUTES: dict[str, tuple[str, Row]] = {
    "account-minutes": (
        "acme",
        replace(
            ACCOUNT,
            plan="professional",
            periods=(replace(ACCOUNT.periods[0], minutes_calls=4, used_ms=6_120_000, late_web_micros=-80_000),),
            subscription=Subscription("active", 1_767_225_600_000, FEBRUARY_MS, 1, 49_000_000, "free"),
            card_due_micros=120_000,
            billing_due_ms=FEBRUARY_MS,
        ),
    ),
    "account-new-minutes": ("acme", NEW_ACCOUNT),
    "call-minutes": (call_key("acme", "c1"), replace(CALL, ordinal=0, rated=Rated(5_940_000, 180_000, 120_000))),
    "call-open-minutes": (call_key("acme", "c2"), OPEN_CALL),
    "payment-minutes": (payment_key("acme", "acme/purchase/p1"), replace(PAYMENT, payment_method_id="pm1")),
    "billing": (
        billing_key("acme"),
        Billing(
            lines=(FeeLine("subscription", "Professional, monthly fee", 49_000_000, 1_767_225_600_000),),
            bills=("subscription/2",),
            numbers=(PhoneNumber("+15550100", 2_000_000, 1_767_225_600_000, FEBRUARY_MS),),
            tax_rate_ppm=82_500,
            fees=2,
            overages=1,
            overage_wanted=True,
            card_settled_micros=230_000,
            invoices=1,
            card_invoiced_micros=230_000,
            credit_micros=10_000,
        ),
    ),
    "bill": (
        bill_key("acme", "subscription/2"),
        Bill("subscription", 49_000_000, "retrying", 1_767_225_600_000, 1, 2, 1, FEBRUARY_MS),
    ),
    "invoice": (invoice_key("acme", 1), Invoice(49_000_000, 230_000)),
    "terms-minutes": (terms_key("dental", 1), Terms(MinutesPlan(display_name="Dental", included_minutes=300))),
}

# The same with the fields that timed work in slices brought.
WITH_TICKS: dict[str, tuple[str, Row]] = {
    "account-ticks": ("acme", replace(WITH_MINUTES["account-minutes"][1], ticks_from_ms=1_767_225_660_001)),
    "account-new-ticks": ("acme", NEW_ACCOUNT),
    "clock-ticks": (
        CLOCK_KEY,
        Clock(FEBRUARY_MS + 2_000, ((FEBRUARY_MS, "tick-1"), (FEBRUARY_MS + 2_000, "tick-2"))),
    ),
    "payment-ticks": (
        payment_key("acme", "acme/purchase/p1"),
        replace(WITH_MINUTES["payment-minutes"][1], requested_at_ms=1_767_225_600_000),
    ),
}

# The same with the fields that prices in other currencies brought.
WITH_CURRENCIES: dict[str, tuple[str, Row]] = {
    "terms-currencies": (
        terms_key("free", 1),
        Terms(
            CreditsPlan(
                display_name="Pay as you go",
                tier="free",
                currencies={"EUR": CreditsPlan(extra_call_micros=2_500_000, currency="EUR")},
            )
        ),
    ),
    "terms-minutes-currencies": (
        terms_key("dental", 1),
        Terms(MinutesPlan(display_name="Dental", included_minutes=300, currency="GBP")),
    ),
}
# The same with the fields that legs and the terms of extra calls brought.
_LEG_END = End(1_767_225_600_000, None, 1_767_225_602_000, "inbound", "canceled", (), True)
WITH_LEGS: dict[str, tuple[str, Row]] = {
    "account-legs": (
        "acme",
        replace(
            WITH_TICKS["account-ticks"][1],
            periods=(
                replace(
                    ACCOUNT.periods[0],
                    minutes_calls=4,
                    used_ms=6_120_000,
                    late_web_micros=-80_000,
                    extra_calls=(ExtraCalls("free", 1, 1, 2),),
                ),
            ),
        ),
    ),
    "account-new-legs": ("acme", NEW_ACCOUNT),
    "call-legs": (
        call_key("acme", "c1"),
        replace(
            WITH_MINUTES["call-minutes"][1],
            details=Details(
                legs=(Leg("a", True, _LEG_END, "i8"), Leg("b", True)),
                end_id="i11",
                overlong_alerted=True,
                after_subscription=True,
            ),
        ),
    ),
    "call-open-legs": (call_key("acme", "c2"), OPEN_CALL),
}
# The same with the fields that billing details, receipts of the card that paid, and snapshots brought.
WITH_DETAILS: dict[str, tuple[str, Row]] = {
    "account-details": (
        "acme",
        replace(
            WITH_LEGS["account-legs"][1],
            billing_details=BillingDetails("Example Ltd", "1 High St", "GB", "GB1"),
            refill_setting=replace(ACCOUNT.refill_setting, paused_reason="hard_decline"),
        ),
    ),
    "account-new-details": ("acme", NEW_ACCOUNT),
    "payment-details": (
        payment_key("acme", "acme/purchase/p1"),
        replace(WITH_TICKS["payment-ticks"][1], brand="visa", last4="4242"),
    ),
}

# The same with the fields that money which comes back brought, and the kinds of rows that came with them.
WITH_REVERSALS: dict[str, tuple[str, Row]] = {
    "account-reversals": (
        "acme",
        replace(
            WITH_DETAILS["account-details"][1],
            refill_setting=replace(ACCOUNT.refill_setting, paused_reason="dispute"),
            holes=(Hole(0, 1_000_000, 1_767_225_600_000, 400_000, 20_000_000),),
            cards=(replace(ACCOUNT.cards[0], disputes=(Dispute("acme/purchase/p1", 15_000_000),)),),
            refundable_until_ms=1_769_817_600_000,
        ),
    ),
    "account-new-reversals": ("acme", NEW_ACCOUNT),
    "payment-reversals": (
        payment_key("acme", "acme/purchase/p1"),
        replace(
            WITH_DETAILS["payment-details"][1],
            due_ms=0,
            token="tok_1",
            contradicted=True,
            lot=Lot(10_000, 1_767_225_600_000, 1_000_000, 1_000_000, 14_000_000),
            disputed_micros=15_000_000,
            refunded_micros=1_000_000,
        ),
    ),
    "payment-refund-reversals": (
        payment_key("acme", "acme/refund/p1/1"),
        Payment("refund", "p1", 1_000_000, "declined", 1_770_249_600_001, "pm1", 2, refund_of="acme/purchase/p1"),
    ),
    "purchase-reversals": (
        purchase_key("acme", "p1"),
        replace(ROWS["purchase"][1], payments=("acme/purchase/p1",)),
    ),
    "refill-reversals": ROWS["refill"],
    "seen-reversal": (reversal_key("acme", "dispute", "acme/purchase/p1", "dp_1"), SeenReversal()),
    "recent-lots": (recent_lots_key("acme"), RecentLots(("purchase/p1", "refill/1/2"))),
}
# The same with the fields that one payment for an invoice brought.
_DETAILED, _BILLING = WITH_REVERSALS["account-reversals"][1], WITH_MINUTES["billing"][1]
assert isinstance(_DETAILED, Account)
assert isinstance(_BILLING, Billing)
WITH_BILLS = {"account-new-bills": ("acme", NEW_ACCOUNT), **rows_with_bills(_DETAILED, _BILLING)}
READ = ROWS | WITH_MINUTES | WITH_TICKS | WITH_CURRENCIES | WITH_LEGS | WITH_DETAILS | WITH_REVERSALS | WITH_BILLS

_OLDER = ("", "-minutes", "-ticks", "-legs", "-details")

# What is written today; the files of these before they had more fields are read all the same.
_GROWN = {
    *(name.removesuffix("-minutes") for name in WITH_MINUTES if name != "terms-minutes"),
    *(name.removesuffix("-ticks") for name in WITH_TICKS),
    *(name.removesuffix("-ticks") + "-minutes" for name in WITH_TICKS),
    *(name.removesuffix("-currencies") for name in WITH_CURRENCIES),
    *(name.removesuffix("-legs") + before for name in WITH_LEGS for before in ("", "-minutes", "-ticks")),
    *(name.removesuffix("-details") + old for name in WITH_DETAILS for old in ("", "-minutes", "-ticks", "-legs")),
    *(name.removesuffix("-reversals") + old for name in WITH_REVERSALS for old in _OLDER),
    *(name.removesuffix("-bills") + old for name in WITH_BILLS for old in (*_OLDER, "-reversals")),
    "payment-refund-reversals",
}
WRITTEN = {name: row for name, row in READ.items() if name not in _GROWN - {"seen-reversal", "recent-lots"}}
