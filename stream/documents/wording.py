"""How documents write money, days and words."""

import unicodedata
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from schemas.instant import from_millis, parse_instant
from schemas.invoices import InvoiceLine
from schemas.money import format_money
from schemas.zones import zone
from stream.documents.page import Amount

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_KINDS = {
    "subscription": "Subscription",
    "proration": "Change of plan",
    "overage": "Usage",
    "top_up": "Wallet top-up",
    "phone_number": "Phone number",
}
_DIRECTIONS = {"inbound": "inbound calls", "outbound": "outbound calls", "web": "web calls"}
_PURPOSES = {
    "refill": "Automatic top-up of the wallet",
    "purchase": "Credits added to the wallet",
    "overage": "Usage beyond the included minutes",
    "subscription": "Subscription fee",
    "invoice": "Open amount of an invoice",
}
_BRANDS = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "american_express": "American Express",
    "discover": "Discover",
}
# Left out: they turn the text around them the other way, so that an amount could read as another one.
_TURN_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MINUS = "\N{MINUS SIGN}"
_EN_DASH = "\N{EN DASH}"


class Purse:
    """Writes the amounts of one document, all in `currency`."""

    def __init__(self, currency: str, amounts_micros: Iterable[int]) -> None:
        self.currency = plain(currency)
        self._decimals = max(_decimals(self._split(micros)[0]) for micros in amounts_micros)

    def amount(self, micros: int) -> Amount:
        figure, unit = self._split(micros)
        return Amount(figure, "0" * (self._decimals - _decimals(figure)), unit)

    def text(self, micros: int) -> str:
        return "".join(self._split(micros))

    def _split(self, micros: int) -> tuple[str, str]:
        figure, space, unit = format_money(micros, self.currency).replace("-", _MINUS, 1).partition(" ")
        return figure, space + unit


def _decimals(figure: str) -> int:
    return len(figure.rpartition(".")[2])


def plain(text: str) -> str:
    """`text` on one line, without what is not to be seen: every break and control character is a space."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text if c not in _TURN_TEXT)
    return " ".join("".join(kept).split())


def words(name: str) -> str:
    """`real_estate` as people write it: `Real estate`."""
    spaced = plain(name.replace("_", " "))
    return spaced[:1].upper() + spaced[1:]


def kind_of(line: InvoiceLine) -> str:
    """What a line is for; usage with the direction of its calls."""
    kind = _KINDS.get(line.kind) or words(line.kind)
    if isinstance(line.direction, str):
        return f"{kind}, {_DIRECTIONS.get(line.direction) or plain(line.direction)}"
    return kind


def purpose_of(payment: str) -> str:
    return _PURPOSES.get(payment) or words(payment)


def brand_of(card: str) -> str:
    return _BRANDS.get(card) or words(card)


def local(instant: str, time_zone: str) -> datetime:
    """A fact's time as the account's clock shows it."""
    return from_millis(parse_instant(instant)).astimezone(zone(time_zone))


def day(on: date) -> str:
    return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"


def days(start: str, end: str, time_zone: str) -> str:
    """A billing period, half-open, from its first day to its last."""
    first, last = local(start, time_zone).date(), local(end, time_zone).date() - timedelta(days=1)
    if first >= last:
        return day(first)
    said = day(first)
    if first.year == last.year:
        said = said.rpartition(" ")[0]
        if first.month == last.month:
            said = str(first.day)
    return f"{said} {_EN_DASH} {day(last)}"
