"""Fills the page of an invoice or a receipt from its facts. Rules M11 and B1 to B9."""

from datetime import date

from backoffice.documents.facts import Document, Invoice, Line, Paid, Receipt
from backoffice.documents.issued import DocumentError, Issued, document_id
from backoffice.documents.issuer import Issuer, Logo
from backoffice.documents.page import InvoicePage, Item, Page, ReceiptPage, Sender, Status, Total
from backoffice.documents.wording import (
    AmountFormat,
    brand_of,
    day,
    days,
    humanized,
    kind_of,
    local,
    plain,
    purpose_of,
    quantity_of,
)

# Lines that are rows of the totals: what follows the sum of what the customer got. Rule B2.
_TOTALS = ("tax", "wallet_credit", "carried")


def page_of(document: Document, issued: Issued, issuer: Issuer, logo: Logo | None) -> Page:
    """The page of a document as it stands now. Raises DocumentError when its figures do not add up."""
    sender = _sender(issuer, logo)
    if isinstance(document, Receipt):
        return _receipt_page(document, sender)
    return _invoice_page(document, issued, sender)


def open_now_micros(invoice: Invoice, payment: Paid | None) -> int:
    """The open amount: 0 once the invoice is paid; negative when the rest is credited to the next invoice."""
    return invoice.unpaid_micros if payment is None else 0


def _check(invoice: Invoice) -> None:
    """Raises DocumentError when lines and total, tax lines and tax, the wallet's statement, or status and open amount
    disagree. Rules B3 and B7.
    """
    money = AmountFormat(invoice.currency, [0])
    total_micros = sum(line.amount_micros for line in invoice.lines)
    sums = [
        ("lines sum to", total_micros, "total", invoice.total_micros),
        ("tax lines sum to", invoice.sum_of("tax"), "tax", invoice.tax_micros),
    ]
    wallet = invoice.wallet
    if wallet is not None:
        closing_micros = wallet.opening_micros + wallet.credited_micros - wallet.used_micros
        sums.append(("wallet's movements give", closing_micros, "closing balance", wallet.closing_micros))
    for what, found_micros, name, stated_micros in sums:
        if found_micros != stated_micros:
            raise DocumentError(
                f"{invoice.invoice_id} does not add up: its {what} {money.text(found_micros)},"
                f" its {name} is {money.text(stated_micros)}"
            )
    if (invoice.status == "open") != (invoice.unpaid_micros > 0):
        contradiction = f"its status is {plain(invoice.status)}, but {money.text(invoice.unpaid_micros)} is open"
        raise DocumentError(f"{invoice.invoice_id} contradicts itself: {contradiction}")


def _sender(issuer: Issuer, logo: Logo | None) -> Sender:
    vat_id = f"VAT ID {plain(issuer.vat_id)}" if issuer.vat_id else ""
    # Without a logo, the letterhead prints the name instead, so it is not repeated here.
    lines = (issuer.name if logo else "", *issuer.address, vat_id, issuer.email)
    shown = tuple(text for line in lines if (text := plain(line)))
    return Sender(plain(issuer.name), shown, plain(issuer.footer), issuer.accent, logo)


def _invoice_page(invoice: Invoice, issued: Issued, sender: Sender) -> InvoicePage:
    _check(invoice)
    payment = issued.payment_of(invoice)
    open_micros = open_now_micros(invoice, payment)
    money = AmountFormat(
        invoice.currency, [*(line.amount_micros for line in invoice.lines), invoice.total_micros, open_micros]
    )
    issued_on = local(invoice.occurred_at, invoice.time_zone).date()
    heading, account_id = f"Invoice {plain(invoice.shown_number)}", plain(invoice.account_id)
    return InvoicePage(
        issuer=sender,
        title=f"{heading}, account {account_id}",
        heading=heading,
        reference=f"{heading}, account {account_id}",
        date=_parts(issued_on),
        status=Status(True, "PAID")
        if open_micros <= 0
        else Status(False, f"OPEN \N{MIDDLE DOT} {money.text(open_micros)}"),
        customer=_customer(invoice),
        details=_invoice_details(invoice, payment, issued_on),
        lines=tuple(_item(line, money) for line in invoice.lines if line.kind not in _TOTALS),
        totals=tuple(_totals(invoice, open_micros, money)),
        wallet=_wallet(invoice),
        remarks=_remarks(invoice, issued.reversed_micros(invoice), money),
    )


def _customer(invoice: Invoice) -> tuple[str, ...]:
    """The buyer as the law wants it on an invoice, then how we know the customer. Rule B9."""
    rows: list[str | None] = []
    if invoice.buyer is not None:
        buyer = invoice.buyer
        rows += [buyer.name, *(buyer.address or "").split("\n"), buyer.country]
        rows.append(f"Tax ID {buyer.tax_id}" if buyer.tax_id else None)
    rows += [f"Account {invoice.account_id}", invoice.billing_email]
    return tuple(text for row in rows if row and (text := plain(row)))


def _invoice_details(invoice: Invoice, payment: Paid | None, issued_on: date) -> tuple[tuple[str, str], ...]:
    rows = [
        ("Invoice number", plain(invoice.shown_number)),
        ("Date of issue", day(issued_on)),
        ("Billing period", days(invoice.period_start, invoice.period_end, invoice.time_zone)),
        ("Plan", humanized(invoice.plan or "")),
        ("Currency", plain(invoice.currency)),
    ]
    if payment is not None:
        rows.append(("Paid on", day(local(payment.occurred_at, invoice.time_zone).date())))
    return tuple((name, value) for name, value in (*rows, ("Invoice ID", plain(invoice.invoice_id))) if value)


def _item(line: Line, money: AmountFormat) -> Item:
    unit = "" if line.unit_amount_micros is None else money.text(line.unit_amount_micros)
    return Item(plain(line.description), kind_of(line), money.amount(line.amount_micros), quantity_of(line), unit)


def _totals(invoice: Invoice, open_micros: int, money: AmountFormat) -> list[Total]:
    """The rows from the subtotal to the amount due, each step shown, so that the customer can add them up."""
    steps = [line for line in invoice.lines if line.kind in _TOTALS]
    rows = [("Subtotal", invoice.total_micros - sum(line.amount_micros for line in steps))]
    if not any(line.kind == "tax" for line in steps):
        rows.append(("Tax", 0))
    rows += [(plain(line.description), line.amount_micros) for line in steps]
    totals = [Total(label, money.amount(micros)) for label, micros in rows]
    totals.append(Total("Total", money.amount(invoice.total_micros), strong=True))
    settled = _settled(invoice, open_micros) if invoice.carried_micros is None else _by_card(invoice, open_micros)
    totals += [Total(label, money.amount(micros)) for label, micros in settled]
    due = "Amount due" if open_micros >= 0 else "Credited to the next invoice"
    return [*totals, Total(due, money.amount(open_micros), strong=True)]


def _by_card(invoice: Invoice, open_micros: int) -> list[tuple[str, int]]:
    """What goes on to the next invoice, and what the card has paid of the rest. Rule B3."""
    carried_micros = invoice.carried_micros or 0
    paid_micros = invoice.total_micros - carried_micros - open_micros
    rows = [("Carried to the next invoice", -carried_micros)] if carried_micros else []
    return [*rows, ("Paid by card" if paid_micros >= 0 else "Given back to the card", -paid_micros)]


def _settled(invoice: Invoice, open_micros: int) -> list[tuple[str, int]]:
    """The difference between total and open amount of an event without `carried_micros`: payments, and credit from the
    last or for the next invoice.
    """
    covered_micros = invoice.total_micros - open_micros
    return [("Payments and credits" if covered_micros >= 0 else "Credited to the next invoice", -covered_micros)]


def _wallet(invoice: Invoice) -> tuple[Total, ...]:
    """The statement beside the totals. Rule B7."""
    if invoice.wallet is None:
        return ()
    wallet = invoice.wallet
    rows = (
        ("Opening balance", wallet.opening_micros),
        ("Credited", wallet.credited_micros),
        ("Used", -wallet.used_micros),
        ("Closing balance", wallet.closing_micros),
    )
    money = AmountFormat(invoice.currency, [micros for _, micros in rows])
    return tuple(Total(label, money.amount(micros), strong=label == "Closing balance") for label, micros in rows)


def _remarks(invoice: Invoice, reversed_micros: int, money: AmountFormat) -> tuple[str, ...]:
    """What the figures do not say by themselves. Rules B3 and R8."""
    remarks = []
    if invoice.carried_micros:
        how = "due with" if invoice.carried_micros > 0 else "credited on"
        remarks.append(f"{money.text(abs(invoice.carried_micros))} is {how} the next invoice.")
    if reversed_micros:
        remarks.append(f"{money.text(reversed_micros)} of the payments was returned by a dispute or refund.")
    return tuple(remarks)


def _receipt_page(receipt: Receipt, sender: Sender) -> ReceiptPage:
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


def _receipt_details(receipt: Receipt, paid_at: str) -> tuple[tuple[str, str], ...]:
    rows = (
        ("Paid on", paid_at),
        ("Account", receipt.account_id),
        ("E-mail", receipt.billing_email),
        ("Currency", receipt.currency),
        ("Receipt ID", receipt.receipt_id),
        ("Payment ID", receipt.payment_id),
        ("Reference", receipt.reference),
        ("Provider reference", receipt.provider_reference),
    )
    return tuple((name, plain(value)) for name, value in rows if value)


def _card(receipt: Receipt) -> str:
    brand = brand_of(receipt.brand) if receipt.brand else "Card"
    ending = f" ending in {plain(receipt.last4)}" if receipt.last4 else ""
    return f"{brand}{ending}" if ending or brand != "Card" else "Paid by card"


def _parts(on: date) -> tuple[int, int, int]:
    return on.year, on.month, on.day
