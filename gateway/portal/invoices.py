"""`/portal/invoices`: invoices and receipts, a page for each invoice, and their PDFs. Rules M11 and B1 to B9.

An invoice's page shows what its PDF shows: both come from the same composition.
"""

from collections.abc import Iterable
from typing import Any, Final

from starlette.responses import Response

from backoffice.documents.compose import open_now_micros, page_of
from backoffice.documents.facts import Invoice, Receipt
from backoffice.documents.issued import Issued
from backoffice.documents.page import InvoicePage
from backoffice.documents.wording import brand_of, days, purpose_of
from gateway.http.problem import Problem
from gateway.portal.pages import Download, Page
from gateway.portal.visit import Visit
from gateway.portal.words import Words
from gateway.reads.documents import DOCUMENTS, issued_of
from schemas.instant import parse_instant

PATH: Final = "/portal/invoices"
# Payments that count for one invoice by its id; all others count for the period in which they were made.
_OF_INVOICE = "invoice"


def invoice_row(invoice: Invoice, issued: Issued, words: Words) -> dict[str, Any]:
    kind, status = status_of(invoice, issued, words)
    return {
        "id": invoice.invoice_id,
        "number": invoice.shown_number,
        "at": invoice.occurred_at,
        "period": days(invoice.period_start, invoice.period_end, invoice.time_zone),
        "total_micros": invoice.total_micros,
        "currency": invoice.currency,
        "kind": kind,
        "status": status,
    }


def status_of(invoice: Invoice, issued: Issued, words: Words) -> tuple[str, str]:
    """The kind and the word of an invoice's status as it is now known."""
    reversed_micros = issued.reversed_micros(invoice)
    open_micros = open_now_micros(invoice, issued.payment_of(invoice))
    if open_micros > 0:
        return "attention", f"Open: {words.money(open_micros, invoice.currency)}"
    if reversed_micros:
        return "attention", f"Paid, {words.money(reversed_micros, invoice.currency)} returned"
    return "fine", "Paid"


def receipt_row(receipt: Receipt) -> dict[str, Any]:
    card = f"{brand_of(receipt.brand)} •••• {receipt.last4}" if receipt.brand and receipt.last4 else "Card"
    return {
        "id": receipt.receipt_id,
        "at": receipt.occurred_at,
        "what": purpose_of(receipt.purpose),
        "card": card,
        "amount_micros": receipt.amount_micros,
        "currency": receipt.currency,
    }


def receipts_of(invoice: Invoice, receipts: Iterable[Receipt]) -> list[Receipt]:
    """The receipts of the payments that the invoice has or had a line for: its own payment, and those of its period."""
    start_ms, end_ms = parse_instant(invoice.period_start), parse_instant(invoice.period_end)

    def belongs(receipt: Receipt) -> bool:
        if receipt.purpose == _OF_INVOICE:
            return receipt.reference == invoice.invoice_id
        return start_ms <= parse_instant(receipt.occurred_at) < end_ms

    return [receipt for receipt in receipts if belongs(receipt)]


async def _list(visit: Visit) -> dict[str, Any]:
    issued = await issued_of(visit.source)
    invoices, receipts = issued.invoices(), issued.receipts()
    on_invoices = {receipt.receipt_id for invoice in invoices for receipt in receipts_of(invoice, receipts)}
    others = [receipt for receipt in receipts if receipt.receipt_id not in on_invoices]
    return {
        "invoices": [invoice_row(invoice, issued, visit.words) for invoice in reversed(invoices)],
        "receipts": [receipt_row(receipt) for receipt in reversed(others)],
    }


async def _invoice(visit: Visit) -> dict[str, Any]:
    invoice_id = visit.request.query_params.get("invoice_id", "")
    issued = await issued_of(visit.source)
    invoice = issued.documents.get((visit.session.account_id, invoice_id))
    if not isinstance(invoice, Invoice):
        raise Problem("not_found", "The account has no such invoice.")
    page = page_of(invoice, issued, *visit.parts.issuer)
    assert isinstance(page, InvoicePage), "the page of an invoice"
    visit.request.state.heading = page.heading
    kind, status = status_of(invoice, issued, visit.words)
    return {
        "invoice": invoice,
        "shown": page,
        "kind": kind,
        "status": status,
        "receipts": [receipt_row(receipt) for receipt in receipts_of(invoice, issued.receipts())],
    }


async def _invoice_pdf(visit: Visit) -> Response:
    return await _pdf(visit, Invoice, "invoice_id")


async def _receipt_pdf(visit: Visit) -> Response:
    return await _pdf(visit, Receipt, "receipt_id")


async def _pdf(visit: Visit, kind: type[Invoice] | type[Receipt], name: str) -> Response:
    wanted = visit.request.query_params.get(name, "")
    return await DOCUMENTS.answer(visit.source, kind, wanted, visit.parts, visit.request.headers)


PAGES = (
    Page(PATH, "invoices", "Invoices", "invoices.html", _list),
    Page("/portal/invoice", "invoices", lambda visit: str(visit.request.state.heading), "invoice.html", _invoice),
)
DOWNLOADS = (Download("/portal/invoice.pdf", _invoice_pdf), Download("/portal/receipt.pdf", _receipt_pdf))
