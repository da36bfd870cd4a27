"""Money: integers of micros (1e-6 of a currency unit), never a float. Rule G1."""

MICROS_PER_UNIT = 1_000_000
MICROS_PER_CENT = 10_000

# All sums stay below this bound. It is below 2**53, so readers that store numbers as doubles read them exactly.
AMOUNT_LIMIT_MICROS = 9 * 10**15


def round_half_up(micros: int, quantum_micros: int) -> int:
    """`micros` as a multiple of `quantum_micros`, halves away from zero for positive amounts. Rule G1."""
    return (2 * micros + quantum_micros) // (2 * quantum_micros) * quantum_micros


def format_money(micros: int, currency: str = "USD") -> str:
    """`micros` for display: `$1.50`, `-$5.99`, `12.345 EUR`. More than two decimals are shown only where needed."""
    units, rest = divmod(abs(micros), MICROS_PER_UNIT)
    fraction = f"{rest:06d}".rstrip("0").ljust(2, "0")
    sign = "-" if micros < 0 else ""
    amount = f"{units:,}.{fraction}"
    return f"{sign}${amount}" if currency == "USD" else f"{sign}{amount} {currency}"
