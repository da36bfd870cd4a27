"""What a page holds, in text and figures: all that a template gets."""

import msgspec

from stream.documents.issuer import Logo


class Amount(msgspec.Struct, frozen=True):
    """An amount as it is written, in two parts. `pad` has a zero for each decimal that it has fewer than another of
    the document: the template leaves room for them, so that the points stand under one another.
    """

    figure: str
    pad: str
    unit: str


class Status(msgspec.Struct, frozen=True):
    paid: bool
    word: str


class Line(msgspec.Struct, frozen=True):
    description: str
    kind: str
    amount: Amount


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
    """What both kinds print. `title` and `date` (year, month, day) are the file's own, `reference` stands at the foot
    of every page.
    """

    issuer: Sender
    title: str
    heading: str
    reference: str
    date: tuple[int, int, int]
    status: Status
    details: tuple[tuple[str, str], ...]


class InvoicePage(Page, frozen=True, kw_only=True):
    customer: tuple[str, ...]
    lines: tuple[Line, ...]
    totals: tuple[Total, ...]


class ReceiptPage(Page, frozen=True, kw_only=True):
    purpose: str
    paid: str
    amount: Amount
