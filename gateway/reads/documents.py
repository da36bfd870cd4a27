"""Invoices and receipts as PDF: the same bytes as `tollgate invoice render` makes, from the events that Redis has."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import quote

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from backoffice.documents.compose import page_of
from backoffice.documents.facts import Document, Invoice, Receipt
from backoffice.documents.issued import Issued, read_issued
from backoffice.documents.page import Page
from backoffice.documents.typeset import fingerprint, typeset
from gateway.http.endpoint import Call as Request
from gateway.http.problem import Problem, unavailable
from gateway.parts import Parts
from gateway.reads import invoices
from gateway.reads.account import is_known
from gateway.reads.source import AccountSource, Source
from stream import log

logger = log.get("gateway")

PDF = "application/pdf"
# A page takes a few milliseconds, so these wait for less than a second.
WAITING_MAX = 64
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@-]+", re.ASCII)


class _About(msgspec.Struct, frozen=True, gc=False):
    invoice_id: str | None = None
    receipt_id: str | None = None


_about = msgspec.json.Decoder(_About).decode


class Documents:
    """The handlers. Pages are typeset in one thread: the typesetter is not to be used in two at once, and the event
    loop goes on meanwhile.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "typesetter")
        self._waiting = 0

    async def invoice(self, request: Request) -> Response:
        """`GET /v1/accounts/{account_id}/invoice.pdf?invoice_id=`."""
        account = AccountSource(Source(request.parts), request.account_id)
        return await self.answer(account, Invoice, request.query["invoice_id"], request.parts, request.request.headers)

    async def receipt(self, request: Request) -> Response:
        """`GET /v1/accounts/{account_id}/receipt.pdf?receipt_id=`."""
        account = AccountSource(Source(request.parts), request.account_id)
        return await self.answer(account, Receipt, request.query["receipt_id"], request.parts, request.request.headers)

    async def answer(
        self, account: AccountSource, kind: type[Document], wanted: str, parts: Parts, headers: Headers
    ) -> Response:
        """The document, or that the client has it already. Raises Problem `not_found`."""
        issued = await issued_of(account, wanted)
        document = issued.documents.get((account.account.decode(), wanted))
        if not isinstance(document, kind):
            raise Problem("not_found", f"The account has no such {'invoice' if kind is Invoice else 'receipt'}.")
        page = page_of(document, issued, *parts.issuer)
        # The page and the typesetter determine every byte, so what the client has need not be typeset to know it.
        own = account.source.headers() | {"ETag": f'"{fingerprint(page)}"'}
        if is_known(headers, own["ETag"]):
            return Response(status_code=304, headers=own)
        pdf = await self._typeset(page)
        own["Content-Disposition"] = f"attachment; {file_name(document)}"
        return Response(pdf, media_type=PDF, headers=own)

    async def _typeset(self, page: Page) -> bytes:
        if self._waiting >= WAITING_MAX:
            raise unavailable("Too many documents are being made at once: try again.")
        self._waiting += 1
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._thread, partial(typeset, page))
        finally:
            self._waiting -= 1
        return done.pdf


# One for the process, because its typesetter is.
DOCUMENTS = Documents()


async def issued_of(account: AccountSource, wanted: str | None = None) -> Issued:
    """The document, or all of the account for None, and what became of it since."""
    found = invoices.documents_of(account)
    values = [value async for value in found if wanted is None or _is_about(value, wanted)]
    return read_issued(values, lambda reason: logger.warning("an event of the invoices was skipped", reason=reason))


def _is_about(value: bytes, wanted: str) -> bool:
    about = _about(value)
    return wanted in {about.invoice_id, about.receipt_id}


def file_name(document: Document) -> str:
    """The parameters of `Content-Disposition`: the document's reference, in characters that every system takes."""
    if isinstance(document, Invoice):
        name = f"invoice-{document.shown_number}.pdf"
    else:
        name = f"receipt-{document.reference or document.receipt_id}.pdf"
    plain = _UNSAFE.sub("-", name)
    return f'filename="{plain}"' + ("" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}")
