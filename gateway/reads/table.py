"""Rows of a list as CSV for spreadsheets: RFC 4180, and no cell that a spreadsheet would run as a formula."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from gateway.reads.calls import Call
from schemas.instant import format_instant
from schemas.money import MICROS_PER_UNIT

COLUMNS: Mapping[str, Sequence[str]] = {
    "charges": (
        *("occurred_at", "type", "id", "call_id", "amount", "currency", "wallet", "card", "balance_after", "plan"),
        *("ordinal", "billable_ms", "reason", "adjusts"),
    ),
    "ledger": ("occurred_at", "id", "kind", "amount", "currency", "balance_after", "reference"),
    "alerts": ("occurred_at", "id", "type", "severity", "audience", "details"),
    "invoices": ("occurred_at", "id", "type", "invoice_id", "reference", "total", "currency", "status"),
    "calls": ("first_at", "call_id", "decision", "reason", "charged", "adjusted", "net", "currency"),
}
DETAILS = "details"
_AMOUNTS = frozenset({"amount", "wallet", "card", "balance_after", "total"})
_DECISIONS = {"call-admitted": "admitted", "call-redirected": "redirected"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# The digits after the decimal point of a currency.
Digits = Callable[[str], int]


class _Decision(msgspec.Struct, frozen=True, gc=False):
    type: str
    reason: str


_decision = msgspec.json.Decoder(_Decision).decode


def lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def guarded(cell: str) -> str:
    """The cell, with a leading `'` where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) and _NUMBER.fullmatch(cell) is None else cell


def amount(micros: int, digits: int) -> str:
    """`1234.50`: with the currency's own digits, and more only where they are needed."""
    units, rest = divmod(abs(micros), MICROS_PER_UNIT)
    fraction = f"{rest:06d}".rstrip("0").ljust(digits, "0")
    sign = "-" if micros < 0 else ""
    return f"{sign}{units}.{fraction}" if fraction else f"{sign}{units}"


def event_cells(columns: Sequence[str], value: bytes, digits: Digits) -> list[str]:
    """The cells of a published event."""
    event: dict[str, Any] = orjson.loads(value)
    return [_cell(event, name, columns, digits) for name in columns]


def _cell(event: Mapping[str, Any], name: str, columns: Sequence[str], digits: Digits) -> str:
    if name == DETAILS:
        return orjson.dumps({field: value for field, value in event.items() if field not in columns}).decode()
    if name in _AMOUNTS:
        micros = event.get(f"{name}_micros")
        return "" if micros is None else amount(micros, digits(event["currency"]))
    found = event.get(name)
    return "" if found is None else str(found)


def call_cells(call: Call, digits: Digits) -> list[str]:
    """The cells of a call: its decision, and its amounts once it was charged."""
    decision = None if call.decision is None else _decision(call.decision)
    decided = ("", "") if decision is None else (_DECISIONS[decision.type], decision.reason)
    charged_micros, currency = call.charged_micros(), call.currency()
    amounts = ["", "", ""]
    if charged_micros is not None and currency is not None:
        adjusted_micros = call.adjusted_micros()
        parts = (charged_micros, adjusted_micros, charged_micros + adjusted_micros)
        amounts = [amount(micros, digits(currency)) for micros in parts]
    return [format_instant(call.place.first_ms), call.place.call_id.decode(), *decided, *amounts, currency or ""]
