"""Money: integers of micros (1e-6 of a currency unit), never a float. Rules G1 and G12."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SHIPPED_CURRENCIES = Path(__file__).with_name("currencies.toml")

MICROS_PER_UNIT = 1_000_000
MICROS_PER_CENT = 10_000

# All sums stay below this bound. It is below 2**53, so readers that store numbers as doubles read them exactly.
AMOUNT_LIMIT_MICROS = 9 * 10**15

# Of a currency that is not among the shipped ones.
USUAL_DIGITS = 2


def round_half_up(micros: int, quantum_micros: int) -> int:
    """`micros` as a multiple of `quantum_micros`, halves away from zero for positive amounts. Rule G1."""
    return (2 * micros + quantum_micros) // (2 * quantum_micros) * quantum_micros


def round_half_away(micros: int, quantum_micros: int) -> int:
    """`micros` as a multiple of `quantum_micros`, halves away from zero for negative amounts as well. Rule B2."""
    rounded = round_half_up(abs(micros), quantum_micros)
    return -rounded if micros < 0 else rounded


def format_money(micros: int, currency: str = "USD") -> str:
    """`micros` for display with the currency's own digits: `$1.50`, `-$5.99`, `12.30 EUR`, `1,000 JPY`. More digits are
    shown only where needed. Rule G12.
    """
    units, rest = divmod(abs(micros), MICROS_PER_UNIT)
    fraction = f"{rest:06d}".rstrip("0").ljust(shipped_digits().get(currency, USUAL_DIGITS), "0")
    sign = "-" if micros < 0 else ""
    amount = f"{units:,}.{fraction}" if fraction else f"{units:,}"
    return f"{sign}${amount}" if currency == "USD" else f"{sign}{amount} {currency}"


@cache
def shipped_digits() -> Mapping[str, int]:
    """The digits after the decimal point of each shipped currency: its minor units by ISO 4217."""
    tables = tomllib.loads(SHIPPED_CURRENCIES.read_text(encoding="utf-8"))
    return {code: entry["minor_units"] for code, entry in tables.items()}
