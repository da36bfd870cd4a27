"""The status of an invoice as it is now known: an `invoice-issued` is published once, and paid later. Rule B3."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from gateway.reads.log_order import STEP_ROWS, Row
from gateway.reads.source import AccountSource

ISSUED, PAID = "invoice-issued", "invoice-paid"
INVOICES = "invoices"


class _Status(msgspec.Struct, frozen=True, gc=False):
    type: str
    invoice_id: str | None = None
    status: str | None = None


_status = msgspec.json.Decoder(_Status).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_PAID_NOW = msgspec.Raw(b'"paid"')


def open_invoices(rows: Iterable[Row]) -> dict[str, int]:
    """The offset of each invoice that was issued open."""
    heads = [(_status(row.value), row.offset) for row in rows]
    return {
        head.invoice_id: offset
        for head, offset in heads
        if head.type == ISSUED and head.status == "open" and head.invoice_id is not None
    }


async def paid_of(account: AccountSource, rows: Iterable[Row]) -> set[str]:
    """Which of the invoices among `rows` were issued open and are paid by now. A payment follows its invoice soon, as a
    rule, so the search begins at the oldest of them.
    """
    wanted = open_invoices(rows)
    paid: set[str] = set()
    if not wanted:
        return paid
    first = min(wanted.values())
    for bottom, top in ((f"({first}", "+inf"), ("-inf", f"({first}")):
        async for values in _ascending(account, bottom, top):
            heads = map(_status, values)
            paid |= {head.invoice_id for head in heads if head.type == PAID and head.invoice_id in wanted}
            if len(paid) == len(wanted):
                return paid
    return paid


async def all_paid(account: AccountSource) -> set[str]:
    """Every invoice of the account that was paid after its issue."""
    heads = [_status(value) async for value in documents_of(account)]
    return {head.invoice_id for head in heads if head.type == PAID and head.invoice_id is not None}


async def _ascending(account: AccountSource, bottom: str, top: str) -> AsyncIterator[list[bytes]]:
    while True:
        limits: tuple[Any, ...] = ("LIMIT", 0, STEP_ROWS)
        [found] = await account.ask(
            ("ZRANGEBYSCORE", account.key(INVOICES), bottom, top, "WITHSCORES", *limits),
        )
        yield [value for value, _ in found]
        if len(found) < STEP_ROWS:
            return
        bottom = f"({int(found[-1][1])}"


def as_known(value: bytes, paid: set[str]) -> bytes:
    """The event as published; of an invoice that is paid by now, with that status."""
    head = _status(value)
    if head.type != ISSUED or head.invoice_id not in paid:
        return value
    return msgspec.json.encode(_fields(value) | {"status": _PAID_NOW})


async def documents_of(account: AccountSource) -> AsyncIterator[bytes]:
    """Every event of the list, oldest first."""
    async for values in _ascending(account, "-inf", "+inf"):
        for value in values:
            yield value
