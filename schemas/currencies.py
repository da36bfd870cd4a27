"""Currencies: how many digits an amount has, and what a card can be charged. Rules G13 and K2."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from schemas.money import AMOUNT_LIMIT_MICROS, MICROS_PER_UNIT, SHIPPED_CURRENCIES, USUAL_DIGITS

GREATEST_DEFAULT_MINOR = 99_999_999
LOW_BALANCE_DEFAULT_MINOR = 1_000
# Card networks charge three-digit currencies in steps of ten: the last digit is 0.
STEP_DEFAULT_MINOR = {3: 10}

_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_Positive = Annotated[int, msgspec.Meta(gt=0, lt=AMOUNT_LIMIT_MICROS)]


class CatalogueError(ValueError):
    """The catalogue or its currencies cannot be used. The message names the file, the key and what it must be."""


class Currency(msgspec.Struct, frozen=True):
    """A currency, with the defaults of rule K2 applied. Amounts in micros.

    A card is charged at least `least_micros`, at most `greatest_micros` at once, in multiples of `step_minor` minor
    units. `low_balance_micros` is the default threshold of auto-refill and of the low-balance alert.
    """

    code: str
    minor_units: int
    least_micros: int
    greatest_micros: int
    step_minor: int
    low_balance_micros: int

    @property
    def minor_micros(self) -> int:
        """One minor unit: a cent, a yen."""
        return MICROS_PER_UNIT // 10**self.minor_units  # type: ignore[no-any-return]  # a power of int is Any to mypy

    @property
    def step_micros(self) -> int:
        """What every card charge is a multiple of."""
        return self.step_minor * self.minor_micros

    def is_payable(self, micros: int) -> bool:
        """Whether a card can be charged exactly this. Rule K2."""
        return self.least_micros <= micros <= self.greatest_micros and micros % self.step_micros == 0

    def payable_micros(self, micros: int) -> int:
        """The greatest part of `micros` that a card can be charged now: whole steps, at most the greatest charge; 0 if
        that is below the least charge. Rule G13.
        """
        part_micros = min(micros, self.greatest_micros) // self.step_micros * self.step_micros
        return part_micros if part_micros >= self.least_micros else 0


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry as a file gives it. An amount in micros has at most six digits after the decimal point."""

    minor_units: Annotated[int, msgspec.Meta(ge=0, le=6)]
    least_micros: _Positive | None = None
    greatest_micros: _Positive | None = None
    step_minor: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    low_balance_micros: _Positive | None = None


def load_currencies(path: Path | None = None) -> dict[str, Currency]:
    """The shipped currencies by code, with the entries of `path` in place of the shipped ones. Raises CatalogueError.

    An entry replaces the shipped one as a whole, except that a shipped currency keeps its number of digits when the
    file does not give one.
    """
    currencies = {code: _currency(code, entry) for code, entry in read_toml(SHIPPED_CURRENCIES).items()}
    if path is None:
        return currencies
    for code, entry in read_toml(path).items():
        known = currencies.get(code)
        given = {"minor_units": known.minor_units} | entry if known and isinstance(entry, dict) else entry
        try:
            currencies[code] = _currency(code, given)
        except CatalogueError as error:
            raise CatalogueError(f"{path}: {error}") from None
    return currencies


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises CatalogueError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: not TOML: {error}") from None


def convert(value: object, kind: Any, path: str = "") -> Any:
    """The value at the key `path` of a file, as a `kind`. Raises CatalogueError that names the key."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        key = f"{path}{where.rstrip('`')}".strip(".")
        raise CatalogueError(f"{key}: {what}" if key else what) from None


def usual_currency(code: str) -> Currency:
    """A currency with the usual number of digits and every default of rule K2."""
    return _currency(code, {"minor_units": USUAL_DIGITS})


def _currency(code: str, entry: object) -> Currency:
    if _CODE.fullmatch(code) is None:
        raise CatalogueError(f"{code}: a currency's code is three capital letters")
    given: _Entry = convert(entry, _Entry, code)
    minor_micros = MICROS_PER_UNIT // 10**given.minor_units
    currency = Currency(
        code,
        given.minor_units,
        given.least_micros or minor_micros,
        given.greatest_micros or GREATEST_DEFAULT_MINOR * minor_micros,
        given.step_minor or STEP_DEFAULT_MINOR.get(given.minor_units, 1),
        given.low_balance_micros or LOW_BALANCE_DEFAULT_MINOR * minor_micros,
    )
    if not currency.payable_micros(currency.greatest_micros):
        raise CatalogueError(
            f"{code}: no amount can be charged: expected a multiple of {currency.step_micros} micros from"
            " `least_micros` to `greatest_micros`"
        )
    if currency.low_balance_micros % minor_micros:
        raise CatalogueError(f"{code}.low_balance_micros: not a multiple of the minor unit, {minor_micros} micros")
    return currency
