"""Fills the page of an invoice or a receipt from its facts. Rules M11 and P12."""

from datetime import date

from backoffice.documents.issued import DocumentError, Issued, document_id
from backoffice.documents.issuer import Issuer, Logo
from backoffice.documents.page import InvoicePage, Item, Page, ReceiptPage, Sender, Status, Total
from backoffice.documents.wording import AmountFormat, brand_of, day, days, humanized, kind_of, local, plain, purpose_of
from schemas.invoices import InvoiceIssued, InvoicePaid, ReceiptIssued


def page_of(document: InvoiceIssued | ReceiptIssued, issued: Issued, issuer: Issuer, logo: Logo | None) -> Page:
    """The page of a document as it stands now. Raises DocumentError when its figures do not add up."""
    sender = _sender(issuer, logo)
    if isinstance(document, ReceiptIssued):
        return _receipt_page(document, sender)
    return _invoice_page(document, issued.payment_of(document), sender)


def open_now_micros(invoice: InvoiceIssued, payment: InvoicePaid | None) -> int:
    """The open amount: 0 once the invoice is paid; negative when the rest is credited to the next invoice."""
    return invoice.open_micros if payment is None else 0


def _check(invoice: InvoiceIssued) -> None:
    """Raises DocumentError when lines and total, tax lines and tax, or status and open amount disagree. Rule P12."""
    money = AmountFormat(invoice.currency, [0])
    total_micros = sum(line.amount_micros for line in invoice.lines)
    sums = (
        ("lines make", total_micros, "total", invoice.total_micros),
        ("lines of tax make", _tax_micros(invoice), "tax", invoice.tax_micros),
    )
    for what, found_micros, name, stated_micros in sums:
        if found_micros != stated_micros:
            raise DocumentError(
                f"{invoice.invoice_id} does not add up: its {what} {money.text(found_micros)},"
                f" its {name} says {money.text(stated_micros)}"
            )
    if (invoice.status == "open") != (invoice.open_micros > 0):
        contradiction = f"its status says {plain(invoice.status)}, and {money.text(invoice.open_micros)} is open"
        raise DocumentError(f"{invoice.invoice_id} contradicts itself: {contradiction}")


def _tax_micros(invoice: InvoiceIssued) -> int:
    return sum(line.amount_micros for line in invoice.lines if line.kind == "tax")


def _sender(issuer: Issuer, logo: Logo | None) -> Sender:
    vat_id = f"VAT ID {plain(issuer.vat_id)}" if issuer.vat_id else ""
    # Without a logo, the letterhead prints the name instead, so it is not repeated here.
    lines = (issuer.name if logo else "", *issuer.address, vat_id, issuer.email)
    shown = tuple(text for line in lines if (text := plain(line)))
    return Sender(plain(issuer.name), shown, plain(issuer.footer), issuer.accent, logo)


def _invoice_page(invoice: InvoiceIssued, payment: InvoicePaid | None, sender: Sender) -> InvoicePage:
    _check(invoice)
    open_micros = open_now_micros(invoice, payment)
    money = AmountFormat(
        invoice.currency, [*(line.amount_micros for line in invoice.lines), invoice.total_micros, open_micros]
    )
    issued_on = local(invoice.occurred_at, invoice.time_zone).date()
    heading, account_id = f"Invoice {invoice.number}", plain(invoice.account_id)
    return InvoicePage(
        issuer=sender,
        title=f"{heading}, account {account_id}",
        heading=heading,
        reference=f"{heading}, account {account_id}",
        date=_parts(issued_on),
        status=Status(True, "PAID")
        if open_micros <= 0
        else Status(False, f"OPEN \N{MIDDLE DOT} {money.text(open_micros)}"),
        customer=(f"Account {account_id}", *([plain(invoice.billing_email)] if invoice.billing_email else [])),
        details=_invoice_details(invoice, payment, issued_on),
        lines=tuple(
            Item(plain(line.description), kind_of(line), money.amount(line.amount_micros))
            for line in invoice.lines
            if line.kind != "tax"
        ),
        totals=tuple(_totals(invoice, open_micros, money)),
    )


def _invoice_details(
    invoice: InvoiceIssued, payment: InvoicePaid | None, issued_on: date
) -> tuple[tuple[str, str], ...]:
    rows = [
        ("Invoice number", str(invoice.number)),
        ("Date of issue", day(issued_on)),
        ("Billing period", days(invoice.period_start, invoice.period_end, invoice.time_zone)),
        ("Plan", humanized(invoice.plan)),
        ("Currency", plain(invoice.currency)),
    ]
    if payment is not None:
        rows.append(("Paid on", day(local(payment.occurred_at, invoice.time_zone).date())))
    return (*rows, ("Invoice ID", plain(invoice.invoice_id)))


def _totals(invoice: InvoiceIssued, open_micros: int, money: AmountFormat) -> list[Total]:
    """The rows from the subtotal to the amount due, each step shown, so that the customer can add them up."""
    taxes = [line for line in invoice.lines if line.kind == "tax"]
    rows = [("Subtotal", invoice.total_micros - invoice.tax_micros)]
    rows += [(plain(line.description), line.amount_micros) for line in taxes] or [("Tax", 0)]
    covered_micros = invoice.total_micros - open_micros
    totals = [Total(label, money.amount(micros)) for label, micros in rows]
    totals.append(Total("Total", money.amount(invoice.total_micros), strong=True))
    # The difference between total and open amount: payments, and credit from the last or for the next invoice.
    covered = "Payments and credits" if covered_micros >= 0 else "Credited to the next invoice"
    totals.append(Total(covered, money.amount(-covered_micros)))
    due = "Amount due" if open_micros >= 0 else "Credited to the next invoice"
    return [*totals, Total(due, money.amount(open_micros), strong=True)]


def _receipt_page(receipt: ReceiptIssued, sender: Sender) -> ReceiptPage:
    money = AmountFormat(receipt.currency, [receipt.amount_micros])
    paid_at = local(receipt.occurred_at, receipt.time_zone)
    return ReceiptPage(
        issuer=sender,
        title=f"Receipt {plain(document_id(receipt))}",
        heading="Receipt",
        reference=f"Receipt, account {plain(receipt.account_id)}",
        date=_parts(paid_at.date()),
        status=Status(True, "PAID"),
        purpose=purpose_of(receipt.purpose),
        paid=_card(receipt),
        amount=money.amount(receipt.amount_micros),
        details=_receipt_details(receipt, f"{day(paid_at.date())}, {paid_at:%H:%M} ({receipt.time_zone})"),
    )


def _receipt_details(receipt: ReceiptIssued, paid_at: str) -> tuple[tuple[str, str], ...]:
    rows = (
        ("Paid on", paid_at),
        ("Account", receipt.account_id),
        ("E-mail", receipt.billing_email),
        ("Currency", receipt.currency),
        ("Receipt ID", receipt.receipt_id),
        ("Payment ID", receipt.payment_id),
        ("Provider reference", receipt.provider_reference),
    )
    return tuple((name, plain(value)) for name, value in rows if isinstance(value, str) and value)


def _card(receipt: ReceiptIssued) -> str:
    brand = brand_of(receipt.brand) if isinstance(receipt.brand, str) else "Card"
    ending = f" ending in {plain(receipt.last4)}" if isinstance(receipt.last4, str) else ""
    return f"{brand}{ending}" if ending or brand != "Card" else "Paid by card"


def _parts(on: date) -> tuple[int, int, int]:
    return on.year, on.month, on.day
