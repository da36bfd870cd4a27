"""Rows of the table: golden bytes of every kind, and the checks that let a restore trust them.

The files in `golden/` are rows as format 1 wrote them. They stay for ever: a row that an older worker has written must
be read by every later one. A new field goes to the end of its value with a default, and into a new golden file.
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from schemas.account import Account, Card, Hole, Period, Refill, RefillSetting, Row, Subscription, Threshold
from schemas.call import Call, End, Rated, Reclassification
from schemas.plan import CreditsPlan, MinutesPlan
from schemas.rows import (
    CLOCK_KEY,
    Bill,
    Billing,
    Clock,
    CorruptRowError,
    FeeLine,
    Invoice,
    Payment,
    PhoneNumber,
    Purchase,
    SeenGrant,
    SeenInput,
    Terms,
    bill_key,
    billing_key,
    call_key,
    check_row,
    decode_row,
    encode_row,
    grant_key,
    invoice_key,
    payment_key,
    purchase_key,
    refill_key,
    row_type,
    seen_key,
    sequence_of,
    terms_key,
)

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
            card_in_flight_micros=120_000,
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
READ = ROWS | WITH_MINUTES

# What is written today; the files of these before they had more fields are read all the same.
WRITTEN = {name: row for name, row in READ.items() if f"{name}-minutes" not in WITH_MINUTES or name == "terms"}


@pytest.mark.parametrize("name", READ)
def test_golden_rows_are_read_for_ever(name: str) -> None:
    key, row = READ[name]
    golden = (GOLDEN / f"{name}.row").read_bytes()
    check_row(key.encode(), golden, None)
    assert decode_row(key, golden) == row


@pytest.mark.parametrize("name", WRITTEN)
def test_rows_are_written_as_the_golden_ones(name: str) -> None:
    key, row = WRITTEN[name]
    assert encode_row(key, row, None) == (GOLDEN / f"{name}.row").read_bytes()


def test_every_kind_of_row_and_no_other_has_a_golden_file() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(READ)
    assert {type(row) for _, row in READ.values()} == set(Row.__subclasses__()) - PARTS


PARTS = {
    Card,
    End,
    FeeLine,
    Hole,
    Period,
    PhoneNumber,
    Rated,
    Reclassification,
    Refill,
    RefillSetting,
    Subscription,
    Threshold,
}


def test_rows_are_small() -> None:
    sizes = {name: len((GOLDEN / f"{name}.row").read_bytes()) for name in WRITTEN}
    assert sizes["call-open-minutes"] < 100
    assert sizes["seen-input"] < 32
    assert sizes["account-new-minutes"] < 120


CALL_KEY, CALL_ROW = ROWS["call"]


def test_a_row_counts_how_often_it_was_written() -> None:
    first = encode_row(CALL_KEY, CALL_ROW, None)
    second = encode_row(CALL_KEY, CALL_ROW, first)
    assert (sequence_of(first), sequence_of(second)) == (1, 2)
    assert first[13:] == second[13:]
    check_row(CALL_KEY.encode(), second, first)


# Two writers of one changelog would write the same sequence twice, or an older one after a newer.
def test_a_sequence_that_does_not_grow_is_refused() -> None:
    first = encode_row(CALL_KEY, CALL_ROW, None)
    second = encode_row(CALL_KEY, CALL_ROW, first)
    for value, previous in ((first, second), (first, first), (second, second)):
        with pytest.raises(CorruptRowError, match="sequence"):
            check_row(CALL_KEY.encode(), value, previous)


def test_any_altered_byte_is_found() -> None:
    good = encode_row(CALL_KEY, CALL_ROW, None)
    for at in range(len(good)):
        for flip in (0x01, 0x80):
            bad = bytearray(good)
            bad[at] ^= flip
            with pytest.raises(CorruptRowError, match="acme/c/c1"):
                check_row(CALL_KEY.encode(), bytes(bad), None)


@pytest.mark.parametrize("length", [0, 1, 4, 12, 13, 50])
def test_a_row_that_was_cut_off_is_found(length: int) -> None:
    with pytest.raises(CorruptRowError):
        check_row(CALL_KEY.encode(), encode_row(CALL_KEY, CALL_ROW, None)[:length], None)


def test_a_row_under_another_key_is_found() -> None:
    with pytest.raises(CorruptRowError, match="checksum"):
        check_row(b"acme/c/c2", encode_row(CALL_KEY, CALL_ROW, None), None)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_format_is_named(version: int) -> None:
    value = bytes([version]) + encode_row(CALL_KEY, CALL_ROW, None)[1:]
    with pytest.raises(CorruptRowError, match=f"format {version}"):
        check_row(CALL_KEY.encode(), value, None)


@pytest.mark.parametrize("key", ["acme/x/1", "acme/c", "acme/cc/1", "acme/1"])
def test_an_unknown_key_is_refused(key: str) -> None:
    with pytest.raises(CorruptRowError, match=key):
        row_type(key)


# Ids of the wire may hold anything but a slash; purchases and payments may hold one: keys never meet.
def test_keys_of_different_rows_never_meet() -> None:
    keys = [
        call_key("a", "x"),
        seen_key("a", "x"),
        grant_key("a", "x"),
        purchase_key("a", "x"),
        refill_key("a", "x"),
        payment_key("a", "x"),
        purchase_key("a", "x/c/y"),
        "a",
        CLOCK_KEY,
        terms_key("a", 1),
        billing_key("a"),
        bill_key("a", "invoice/1"),
        invoice_key("a", 1),
    ]
    assert len(set(keys)) == len(keys)
    assert [row_type(key) for key in keys] == [
        Call,
        SeenInput,
        SeenGrant,
        Purchase,
        Purchase,
        Payment,
        Purchase,
        Account,
        Clock,
        Terms,
        Billing,
        Bill,
        Invoice,
    ]


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", b"\x91\xa1x", b"\xa1x"])
def test_a_body_of_another_shape_is_named(body: bytes) -> None:
    with pytest.raises(CorruptRowError, match="acme/g/g1"):
        decode_row("acme/g/g1", b"\0" * 13 + body)


# A later version adds fields at the end, each with a default: what an older worker wrote stays readable.
def test_a_shorter_row_takes_the_defaults() -> None:
    old = Purchase(20_000_000, "pay", "pm1", "tok")
    body = encode_row("acme/p/p1", old, None)[13:]
    assert body[0] == 0x98  # an array of eight
    four = bytes([0x94]) + body[1 : len(body) - len(b"\xa9requested\x00\x00\x00")]
    assert decode_row("acme/p/p1", b"\0" * 13 + four) == old
