"""Money, times and numbers as the owner reads them: in the account's currency and time zone, in English."""

from collections.abc import Callable
from datetime import datetime

from babel.dates import format_datetime
from babel.numbers import format_decimal

from backoffice.amounts import shown_amount
from schemas.instant import from_millis, parse_instant
from schemas.money import MICROS_PER_UNIT
from schemas.zones import is_zone, zone

LOCALE = "en_US"
MINUS = "\N{MINUS SIGN}"
MICRO_DIGITS = 6


class Words:
    """The words for one account at one moment. `digits` gives the digits after the decimal point of a currency."""

    def __init__(self, currency: str, time_zone: str, now_ms: int, digits: Callable[[str], int]) -> None:
        self.currency, self.now_ms = currency, now_ms
        self._digits = digits
        self.zone = zone(time_zone if is_zone(time_zone) else "UTC")

    def money(self, micros: int, currency: str | None = None, *, signed: bool = False) -> str:
        """`$1,234.50`, with a minus sign before it when negative, and with `signed` also `+$20.00`. More digits than
        the currency's only where they are needed.
        """
        code = currency or self.currency
        return shown_amount(micros, code, self._digits(code), signed=signed)

    def amount(self, micros: int) -> str:
        """`20.00`: an amount in a form's field."""
        units, rest = divmod(abs(micros), MICROS_PER_UNIT)
        decimals = f"{rest:0{MICRO_DIGITS}d}".rstrip("0").ljust(self.currency_digits, "0")
        sign = "-" if micros < 0 else ""
        return f"{sign}{units}.{decimals}" if decimals else f"{sign}{units}"

    @property
    def currency_digits(self) -> int:
        return self._digits(self.currency)

    def moment(self, at: int | str) -> str:
        """`14 March, 10:42`, with the year when it is another one. `at` is in ms, or as an event has it."""
        return f"{self.day(at)}, {self.time(at)}"

    def day(self, at: int | str) -> str:
        """`14 March`, with the year when it is another one."""
        local = self.local(at)
        pattern = "d MMMM" if local.year == self.local(self.now_ms).year else "d MMMM y"
        text: str = format_datetime(local, pattern, locale=LOCALE)
        return text

    def time(self, at: int | str) -> str:
        """`10:42`."""
        text: str = format_datetime(self.local(at), "HH:mm", locale=LOCALE)
        return text

    def number(self, given: float) -> str:
        """`1,234` or `12.5`: a count or minutes, with one digit after the point where it is not whole."""
        text: str = format_decimal(given, "#,##0.#", locale=LOCALE)
        return text

    def count(self, given: float, one: str, many: str = "") -> str:
        """`1 call`, `2 calls`."""
        return f"{self.number(given)} {one if given == 1 else many or one + 's'}"

    def local(self, at: int | str) -> datetime:
        """The moment on the clocks of the account's time zone."""
        millis = int(parse_instant(at)) if isinstance(at, str) else at
        return from_millis(millis).astimezone(self.zone)

    def today_began_ms(self) -> int:
        """The midnight that began the account's day; one that daylight saving skips is the first instant of the day."""
        midnight = self.local(self.now_ms).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return int(midnight.timestamp()) * 1_000
