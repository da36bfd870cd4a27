"""The lists of an account: charges, ledger, alerts, invoices and calls, as JSON page by page or whole as CSV."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
from starlette.responses import Response, StreamingResponse

from gateway.http.endpoint import JSON
from gateway.http.endpoint import Call as Request
from gateway.http.problem import wrong_parameter
from gateway.reads import calls, invoices, log_order, table
from gateway.reads.calls import Place
from gateway.reads.cursor import Asked, Cursor, checksum_of, encode
from gateway.reads.log_order import STEP_ROWS
from gateway.reads.parameters import asked_of, cursor_of, limit_of
from gateway.reads.source import AccountSource, Source
from schemas.plan import Catalogue

CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class List:
    """One of the lists, and the types of its events that `type` may name."""

    name: str
    types: Sequence[str] = ()

    async def answer(self, request: Request) -> Response:
        account = AccountSource(Source(request.parts), request.account_id)
        response = await (self._table if request.media_type == CSV else self._page)(request, account)
        response.headers["Vary"] = "Accept"
        return response

    async def _page(self, request: Request, account: AccountSource) -> Response:
        limit, checksum = limit_of(request.query), checksum_of(request.account_id, self.name)
        cursor = cursor_of(request.query, checksum)
        asked = asked_of(request.query, self.types) if cursor is None else cursor.asked
        page = _page_of_calls if self.name == calls.CALLS else _page_of_events
        items, last = await page(account, self.name, asked, cursor, limit)
        following = None if last is None else encode(Cursor(checksum, *last, asked))
        return Response(page_body(items, following), media_type=JSON, headers=account.source.headers())

    async def _table(self, request: Request, account: AccountSource) -> Response:
        for name in ("limit", "cursor"):
            if name in request.query:
                raise wrong_parameter(name, "Leave it out for CSV, which has all rows.")
        return await table_of(account, self.name, asked_of(request.query, self.types), request.parts.plans)


async def table_of(account: AccountSource, name: str, asked: Asked, catalogue: Catalogue) -> Response:
    """A whole list as CSV. Read before the answer begins: what is wrong by then is a problem, and no table that breaks
    off.
    """
    rows = _rows_of_calls if name == calls.CALLS else _rows_of_events
    parts = rows(account, name, asked, lambda code: catalogue.currency(code).minor_units)
    first = table.lines([table.COLUMNS[name], *await anext(parts)])
    headers = account.source.headers() | {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(_lines(first, parts), media_type=CSV, headers=headers)


async def _lines(first: bytes, parts: AsyncIterator[list[list[str]]]) -> AsyncIterator[bytes]:
    yield first
    async for rows in parts:
        if rows:
            yield table.lines(rows)


def page_body(items: Iterable[bytes], following: str | None) -> bytes:
    """`{items, next_cursor?}` with the items' bytes as they are."""
    tail = b"" if following is None else b',"next_cursor":' + msgspec.json.encode(following)
    return b'{"items":[' + b",".join(items) + b"]" + tail + b"}"


_Last = tuple[int, str] | None


async def _page_of_events(
    account: AccountSource, name: str, asked: Asked, cursor: Cursor | None, limit: int
) -> tuple[list[bytes], _Last]:
    rows, more = await log_order.page(account, name, asked, None if cursor is None else cursor.place, limit)
    values = [row.value for row in rows]
    if name == invoices.INVOICES:
        paid = await invoices.paid_of(account, rows)
        values = [invoices.as_known(value, paid) for value in values]
    return values, (rows[-1].offset, "") if more else None


async def _page_of_calls(
    account: AccountSource, _: str, asked: Asked, cursor: Cursor | None, limit: int
) -> tuple[list[bytes], _Last]:
    after = None if cursor is None else Place(cursor.place, cursor.name.encode())
    places = await calls.places(account, after, asked, limit + 1)
    shown, more = places[:limit], len(places) > limit
    items = [calls.as_item(call) for call in await calls.joined(account, shown)]
    return items, (shown[-1].first_ms, shown[-1].call_id.decode()) if more else None


async def _rows_of_events(
    account: AccountSource, name: str, asked: Asked, digits: Callable[[str], int]
) -> AsyncIterator[list[list[str]]]:
    columns = table.COLUMNS[name]
    paid = await invoices.all_paid(account) if name == invoices.INVOICES else set[str]()
    async for rows in log_order.steps(account, name):
        values = (row.value for row in rows if log_order.takes(asked, row.value))
        known = (invoices.as_known(value, paid) if paid else value for value in values)
        yield [table.event_cells(columns, value, digits) for value in known]


async def _rows_of_calls(
    account: AccountSource, _: str, asked: Asked, digits: Callable[[str], int]
) -> AsyncIterator[list[list[str]]]:
    after: Place | None = None
    while True:
        places = await calls.places(account, after, asked, STEP_ROWS + 1)
        shown = places[:STEP_ROWS]
        yield [table.call_cells(call, digits) for call in await calls.joined(account, shown)]
        if len(places) <= STEP_ROWS:
            return
        after = shown[-1]
