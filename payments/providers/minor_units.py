"""Converts between micros and Stripe's minor units of a currency: cents, whole yen, or thousandths of a dinar."""

from schemas.money import MICROS_PER_UNIT

# Decimal places of a currency, and the multiple that an amount must be. Unlisted currencies have 2 places and 1:
# https://docs.stripe.com/currencies
_PLACES = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"), (0, 1)),
    **dict.fromkeys(("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), (0, 1)),
    # Three places, the last of which must be 0.
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), (3, 10)),
    # No fractions exist, but amounts have two places.
    **dict.fromkeys(("ISK", "UGX"), (2, 100)),
}
_USUAL = (2, 1)


def minor_units(amount_micros: int, currency: str) -> int | None:
    """`amount_micros` in the smallest unit of `currency` (ISO 4217); None if it is not a whole number of units.

    Never rounded: the charge would differ from the ledger by a fraction of a cent, and nothing would detect it.
    """
    places, step = _PLACES.get(currency.upper(), _USUAL)
    units, rest = divmod(amount_micros, MICROS_PER_UNIT // 10**places)
    return None if rest or units % step else units


def micros(units: int, currency: str) -> int:
    """The exact opposite: `units` of Stripe's smallest unit of `currency`, in any case, as micros."""
    places, _ = _PLACES.get(currency.upper(), _USUAL)
    unit_micros: int = MICROS_PER_UNIT // 10**places
    return units * unit_micros
