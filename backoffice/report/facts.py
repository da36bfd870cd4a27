"""The fields of published events that a report adds up. Times are milliseconds in what `read_facts` returns."""

from collections.abc import Iterable, Iterator

import msgspec

from backoffice.documents.facts import Invoice, Paid, Receipt
from schemas.instant import parse_instant


class ReportError(Exception):
    """A report cannot be made. The message gives the reason and the remedy."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ledger-entry-posted"):
    account_id: str
    occurred_at: str
    caused_by: str
    entry_id: str
    kind: str
    amount_micros: int
    currency: str
    balance_after_micros: int
    reference: str

    @property
    def number(self) -> int:
        """The entry's place in its account's ledger, from 1."""
        return int(self.entry_id.rpartition("/")[2])

    @property
    def pays_out_carried(self) -> bool:
        """Whether a negative carried sum was paid into the wallet. Rule B6."""
        return self.kind == "adjustment" and "/invoice/" in self.reference


class _Started(msgspec.Struct, frozen=True):
    started_at: str


class Charge(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="call-charged"):
    id: str
    account_id: str
    occurred_at: str
    currency: str
    plan: str
    amount_micros: int
    wallet_micros: int
    card_micros: int
    receipt: _Started


class Adjustment(Charge, frozen=True, kw_only=True, tag_field="type", tag="charge-adjusted"):
    pass


class InvoiceReversed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invoice-reversed"):
    id: str
    account_id: str
    occurred_at: str
    caused_by: str
    invoice_id: str
    currency: str
    kind: str
    amount_micros: int


class ReversalAlert(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="payment-reversed"):
    """The alert about money that came back. The input of this type has no `severity`, and is passed over."""

    id: str
    account_id: str
    occurred_at: str
    payment_id: str
    kind: str
    amount_micros: int
    caused_by: str = ""
    currency: str = ""
    severity: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="account-snapshot"):
    """Tells on which plan an account was, and what it carried. `version` counts the account's changes."""

    account_id: str
    occurred_at: str
    version: int
    plan: str
    currency: str
    carried_micros: int = 0


Fact = Entry | Charge | Adjustment | Invoice | Paid | InvoiceReversed | Receipt | ReversalAlert | Snapshot
_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in Fact.__args__)


class _Kind(msgspec.Struct):
    type: str = ""


_kind_decoder = msgspec.json.Decoder(_Kind)
_fact_decoder = msgspec.json.Decoder(Fact)


def read_facts(lines: Iterable[bytes]) -> Iterator[tuple[int, Fact]]:
    """The events that a report uses, each with its time in milliseconds. Other events are skipped.

    Raises ReportError for a line that cannot be read: a sum without it would be wrong.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            if _kind_decoder.decode(line).type not in _TYPES:
                continue
            fact: Fact = _fact_decoder.decode(line)
            at_ms = int(parse_instant(fact.occurred_at))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise ReportError(f"line {number} cannot be read: {error}") from None
        if not isinstance(fact, ReversalAlert) or fact.severity is not None:
            yield at_ms, fact


def type_of(fact: Fact) -> str:
    """The contract's name of an event's type."""
    return str(fact.__struct_config__.tag)
