"""Money, days and names as documents write them."""

import unicodedata
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from backoffice.documents.facts import Line
from backoffice.documents.page import Amount
from schemas.instant import from_millis, parse_instant
from schemas.money import format_money
from schemas.zones import zone

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
# Bidirectional control characters are removed: they reverse the text around them, so that an amount could be misread.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MINUS = "\N{MINUS SIGN}"
_EN_DASH = "\N{EN DASH}"


class AmountFormat:
    """Formats the amounts of one document, all in `currency`, with aligned decimal points."""

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
    return len(figure.partition(".")[2])


def plain(text: str) -> str:
    """`text` on one line: every line break and control character becomes a space, runs of spaces become one."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text if c not in _BIDI_CONTROLS)
    return " ".join("".join(kept).split())


def humanized(name: str) -> str:
    """A name of the wire in plain text: `real_estate` becomes `Real estate`."""
    spaced = plain(name.replace("_", " "))
    return spaced[:1].upper() + spaced[1:]


def kind_of(line: Line) -> str:
    """The kind of a line; for usage with the direction of its calls."""
    kind = _KINDS.get(line.kind) or humanized(line.kind)
    if line.direction is not None:
        return f"{kind}, {_DIRECTIONS.get(line.direction) or plain(line.direction)}"
    return kind


def quantity_of(line: Line) -> str:
    """How many: at most three decimals, none that are 0."""
    if line.quantity is None:
        return ""
    figure = f"{line.quantity:,.3f}".rstrip("0").rstrip(".")
    return figure.replace("-", _MINUS)


def purpose_of(payment: str) -> str:
    return _PURPOSES.get(payment) or humanized(payment)


def brand_of(card: str) -> str:
    return _BRANDS.get(card) or humanized(card)


def local(instant: str, time_zone: str) -> datetime:
    """A fact's time in the account's time zone."""
    return from_millis(parse_instant(instant)).astimezone(zone(time_zone))


def day(on: date) -> str:
    return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"


def days(start: str, end: str, time_zone: str) -> str:
    """A billing period (half-open) as its first and last day, without what both share."""
    first, last = local(start, time_zone).date(), local(end, time_zone).date() - timedelta(days=1)
    if first >= last:
        return day(first)
    start_day = day(first)
    if first.year == last.year:
        start_day = start_day.rpartition(" ")[0]
        if first.month == last.month:
            start_day = str(first.day)
    return f"{start_day} {_EN_DASH} {day(last)}"
