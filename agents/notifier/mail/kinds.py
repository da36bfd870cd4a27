"""The events that mails are made of: their types, their fields, and whom each is for."""

from collections.abc import Mapping
from typing import Any

import msgspec

from agents.notifier.event import Event
from backoffice.documents.wording import plain
from schemas.alerts import OPERATOR, OWNER, Alert
from schemas.facts import Fact, fact_type
from schemas.invoices import InvoiceIssued, ReceiptIssued


def _leaves(kind: type[Fact]) -> list[type[Fact]]:
    children = kind.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] or [kind]


INVOICE = fact_type(InvoiceIssued)
_KINDS: tuple[type[Fact], ...] = (*_leaves(Alert), InvoiceIssued, ReceiptIssued)
# Each type with the names of its fields. The receipt of a purchase or a refill is its mail, so these have none.
FIELDS: Mapping[str, tuple[str, ...]] = {
    fact_type(kind): tuple(field.encode_name for field in msgspec.structs.fields(kind)) for kind in _KINDS
}


def fields_of(event: Event) -> dict[str, Any]:
    """The fields of an event as a template reads them: every field of its type, None where it was left out, and
    `severity` and `audience` of invoices and receipts as well. Texts are on one line, without control characters.
    """
    known: dict[str, Any] = dict.fromkeys(FIELDS[event.type])
    known["severity"], known["audience"] = None, OWNER
    cleaned: dict[str, Any] = on_one_line(event.fields)
    return known | cleaned


def is_for_operator(event: Event) -> bool:
    return bool(event.fields.get("audience") == OPERATOR)


def on_one_line(value: Any) -> Any:
    """A value whose texts have no line breaks and no control characters."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {name: on_one_line(one) for name, one in value.items()}
    if isinstance(value, list):
        return [on_one_line(one) for one in value]
    return value
