"""The invoices and receipts among published facts. Rule M11."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from backoffice.documents.facts import FACT_TYPES, Document, Fact, Invoice, Paid, Receipt, Reversed
from schemas.instant import parse_instant
from schemas.zones import is_zone


class DocumentError(Exception):
    """A document cannot be made. The message gives the reason and the remedy."""


@dataclass(slots=True)
class Issued:
    """Every document, and the payment and the newest reversal of each invoice, by (account id, document id)."""

    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    payments: dict[tuple[str, str], Paid] = field(default_factory=dict)
    reversals: dict[tuple[str, str], Reversed] = field(default_factory=dict)

    def payment_of(self, invoice: Invoice) -> Paid | None:
        return self.payments.get((invoice.account_id, invoice.invoice_id))

    def reversed_micros(self, invoice: Invoice) -> int:
        """What has come back of the invoice's payments so far."""
        newest = self.reversals.get((invoice.account_id, invoice.invoice_id))
        return (invoice.reversed_micros or 0) if newest is None else newest.reversed_micros

    def invoices(self) -> list[Invoice]:
        """By account, then number."""
        found = [document for document in self.documents.values() if isinstance(document, Invoice)]
        return sorted(found, key=lambda invoice: (invoice.account_id, invoice.number))

    def receipts(self) -> list[Receipt]:
        """By account, in the order of the facts."""
        found = [document for document in self.documents.values() if isinstance(document, Receipt)]
        return sorted(found, key=lambda receipt: receipt.account_id)


class _Kind(msgspec.Struct):
    type: str = ""


_kind_decoder = msgspec.json.Decoder(_Kind)
_fact_decoder = msgspec.json.Decoder(Fact)


def document_id(document: Document) -> str:
    return document.invoice_id if isinstance(document, Invoice) else document.receipt_id


def read_issued(lines: Iterable[bytes], warn: Callable[[str], None]) -> Issued:
    """The documents among facts, one JSON object a line. Skips other facts, and calls `warn` for each skipped line that
    is not a fact of the contract. A repeated fact counts once.

    Raises DocumentError when two facts about one document differ.
    """
    issued = Issued()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fact = _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            warn(f"line {number} was skipped: {error}")
            continue
        if isinstance(fact, Paid):
            issued.payments[fact.account_id, fact.invoice_id] = fact
        elif isinstance(fact, Reversed):
            issued.reversals[fact.account_id, fact.invoice_id] = fact
        elif fact is not None:
            key = fact.account_id, document_id(fact)
            if issued.documents.setdefault(key, fact) != fact:
                raise DocumentError(f"{key[1]} occurs twice with different content; the second is in line {number}")
    return issued


def _decode(line: bytes) -> Fact | None:
    """The fact of a line, None for a fact that is not about a document."""
    kind = _kind_decoder.decode(line).type
    if kind not in FACT_TYPES:
        return None
    try:
        fact: Fact = _fact_decoder.decode(line)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a valid {kind}: {error}") from None
    _check(fact)
    return fact


def _check(fact: Fact) -> None:
    """Raises ValueError naming the field when a time or time zone cannot be shown."""
    names = ("occurred_at", "period_start", "period_end") if isinstance(fact, Invoice) else ("occurred_at",)
    for name in names:
        try:
            parse_instant(getattr(fact, name))
        except ValueError as error:
            raise ValueError(f"`{name}`: {error}") from None
    if isinstance(fact, Document) and not is_zone(fact.time_zone):
        raise ValueError(f"`time_zone`: {fact.time_zone!r} is not in the IANA time zone database")


def find_document(issued: Issued, wanted: str, account_id: str | None) -> Document:
    """The invoice or receipt of that id. Raises DocumentError when there is none, or when several accounts have one and
    `account_id` is None.
    """
    found = [
        document
        for (account, own_id), document in issued.documents.items()
        if own_id == wanted and account_id in {None, account}
    ]
    if not found:
        whose = "" if account_id is None else f" of account {account_id}"
        raise DocumentError(
            f"the file has no invoice or receipt {wanted}{whose}; it has {len(issued.invoices())} invoices and"
            f" {len(issued.receipts())} receipts: `tollgate invoice list` lists them"
        )
    if len(found) > 1:
        accounts = ", ".join(document.account_id for document in found)
        raise DocumentError(f"several accounts have {wanted}: choose one with --account ({accounts})")
    return found[0]
