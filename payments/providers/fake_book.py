"""The fake provider's book: a file with a line for each dispute and refund, as a provider's account would have them.

A line never changes once it is written: the adapter sends each one once.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from payments.request import PaymentId
from payments.reversal import Kind
from schemas.inputs import Amount
from schemas.instant import format_instant, parse_instant

# What a dispute that was won, or a refund that failed, was before.
OPENED_BY: dict[Kind, Kind] = {"dispute_won": "dispute", "refund_failed": "refund"}


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One movement of a payment's money, `at` an RFC 3339 time. Without an amount it is the whole payment."""

    payment_id: PaymentId
    kind: Kind
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    at: str
    amount_micros: Amount | None = None

    def __post_init__(self) -> None:
        parse_instant(self.at)


_lines = msgspec.json.Decoder(Entry)


def read_book(book: Path | None) -> list[Entry]:
    """Every line, oldest first; none without a file. Raises ValueError for a line that is no entry."""
    if book is None or not book.exists():
        return []
    return _lines.decode_lines(book.read_bytes())


def entries_of(payment_id: str, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.payment_id == payment_id]


def add_entry(book: Path, payment_id: str, kind: Kind, amount_micros: int | None, at_ms: int) -> Entry:
    """Append a line. Raises ValueError if there is no dispute that could have been won, or the book is unreadable.

    A failed refund ends the payment's newest refund made by hand; without one, `payment_id` is a refund of ours.
    """
    entries = read_book(book)
    reference = f"fake-{len(entries) + 1}"
    if kind in OPENED_BY:
        of_payment = entries_of(payment_id, entries)
        ended = {entry.reference for entry in of_payment if entry.kind == kind}
        opened = [one for one in of_payment if one.kind == OPENED_BY[kind] and one.reference not in ended]
        if not opened and kind == "dispute_won":
            raise ValueError(f"{payment_id} has no dispute that is open")
        reference = opened[-1].reference if opened else reference
    fields = {"payment_id": payment_id, "kind": kind, "reference": reference, "at": format_instant(at_ms)}
    entry = msgspec.convert({**fields, "amount_micros": amount_micros}, Entry)
    with book.open("ab") as out:
        out.write(msgspec.json.encode(entry) + b"\n")
    return entry
