"""The content of a page in text and figures: everything that a template gets."""

import msgspec

from backoffice.documents.issuer import Logo


class Amount(msgspec.Struct, frozen=True):
    """A written amount in two parts. `pad` has one zero for each decimal place that another amount of the document has
    and this one has not: the template leaves that space free, so that decimal points align in a column.
    """

    figure: str
    pad: str
    unit: str


class Status(msgspec.Struct, frozen=True):
    paid: bool
    text: str


class Item(msgspec.Struct, frozen=True):
    """`quantity` and `unit` (the price of one) are empty where a line has none."""

    description: str
    kind: str
    amount: Amount
    quantity: str = ""
    unit: str = ""


class Total(msgspec.Struct, frozen=True):
    label: str
    amount: Amount
    strong: bool = False


class Sender(msgspec.Struct, frozen=True):
    name: str
    lines: tuple[str, ...]
    footer: str
    accent: str
    logo: Logo | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of both kinds. `title` and `date` (year, month, day) are metadata of the file; `reference` is printed
    at the foot of every page.
    """

    issuer: Sender
    title: str
    heading: str
    reference: str
    date: tuple[int, int, int]
    status: Status
    details: tuple[tuple[str, str], ...]


class InvoicePage(Page, frozen=True, kw_only=True):
    """`wallet` is the wallet's statement, empty for an invoice without one. `remarks` stand below the totals."""

    customer: tuple[str, ...]
    lines: tuple[Item, ...]
    totals: tuple[Total, ...]
    wallet: tuple[Total, ...] = ()
    remarks: tuple[str, ...] = ()


class ReceiptPage(Page, frozen=True, kw_only=True):
    purpose: str
    paid: str
    amount: Amount
