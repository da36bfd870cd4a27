"""Rows of the table: golden bytes of every kind, and the checks that let a restore trust them.

The files in `golden/` are rows as format 1 wrote them. They stay for ever: a row that an older worker has written must
be read by every later one. A new field goes to the end of its value with a default, and into a new golden file.
"""

import msgspec
import pytest

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
    Use,
)
from schemas.billing import Bill, Billing, FeeLine, Invoice, PhoneNumber
from schemas.call import Call, Details, End, Leg, Rated, Reclassification
from schemas.payment_rows import Lot, Payment, Purchase, RecentLots, SeenGrant, SeenReversal
from schemas.rows import (
    CLOCK_KEY,
    Clock,
    CorruptRowError,
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
    recent_lots_key,
    refill_key,
    reversal_key,
    row_type,
    seen_key,
    sequence_of,
    terms_key,
)
from tests.schemas.golden_rows import GOLDEN, READ, ROWS, WRITTEN


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
    BillingDetails,
    Card,
    Details,
    Dispute,
    End,
    ExtraCalls,
    FeeLine,
    Hole,
    Leg,
    Lot,
    Period,
    PhoneNumber,
    Rated,
    Reclassification,
    Refill,
    RefillSetting,
    Subscription,
    Threshold,
    Use,
}


def test_rows_are_small() -> None:
    sizes = {name: len((GOLDEN / f"{name}.row").read_bytes()) for name in WRITTEN}
    assert sizes["call-open-legs"] < 100
    assert sizes["seen-input"] < 32
    assert sizes["account-new-bills"] < 120


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
        seen_key("a", "x", signed=True),
        call_key("a", "x/i/y"),
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
        reversal_key("a", "dispute", "a/purchase/x", "y"),
        recent_lots_key("a"),
    ]
    assert len(set(keys)) == len(keys)
    assert [row_type(key) for key in keys] == [
        Call,
        SeenInput,
        SeenInput,
        Call,
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
        SeenReversal,
        RecentLots,
    ]


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", b"\x91\xa1x", b"\xa1x"])
def test_a_body_of_another_shape_is_named(body: bytes) -> None:
    with pytest.raises(CorruptRowError, match="acme/g/g1"):
        decode_row("acme/g/g1", b"\0" * 13 + body)


# A later version adds fields at the end, each with a default: what an older worker wrote stays readable.
def test_a_shorter_row_takes_the_defaults() -> None:
    old = Purchase(20_000_000, "pay", "pm1", "tok")
    body = encode_row("acme/p/p1", old, None)[13:]
    assert body[0] == 0x99  # an array of nine
    four = bytes([0x94]) + body[1 : len(body) - len(b"\xa9requested\x00\x00\x00\x90")]
    assert decode_row("acme/p/p1", b"\0" * 13 + four) == old


# Written again without the field of a later version, the row would lose it.
@pytest.mark.parametrize("name", WRITTEN)
def test_a_row_with_a_field_of_a_later_version_is_refused(name: str) -> None:
    key, row = WRITTEN[name]
    value = encode_row(key, row, None)
    later = value[:13] + msgspec.msgpack.encode([*msgspec.msgpack.decode(value[13:]), 1])
    with pytest.raises(CorruptRowError, match="a later version may have written it"):
        decode_row(key, later)


# So is a field of a part of a row.
def test_a_card_with_a_field_of_a_later_version_is_refused() -> None:
    card = [*msgspec.msgpack.decode(msgspec.msgpack.encode(Card("pm1", "tok_1", "visa", "4242", 4, 2031))), 1]
    account = msgspec.msgpack.decode(msgspec.msgpack.encode(Account("USD", "UTC", "free", 0, RefillSetting(0), ())))
    account[Account.__struct_fields__.index("cards")] = [card]
    with pytest.raises(CorruptRowError, match=r"acme.*a later version may have written it"):
        decode_row("acme", bytes(13) + msgspec.msgpack.encode(account))
