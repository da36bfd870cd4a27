"""Amounts as people read them on the owner's page and in mails, in English."""

from decimal import Decimal

from babel.numbers import format_currency, get_currency_symbol

_LOCALE = "en_US"
_MICRO_DIGITS = 6
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"


def shown_amount(micros: int, currency: str, digits: int, *, signed: bool = False) -> str:
    """An amount with the currency's own `digits` after the point: `$1,234.56`, `¥1,000`, `CHF 12.00`. More digits are
    shown only where the amount has them. A minus sign stands before a negative one, and with `signed` a plus sign
    before a positive one. Rule G12.
    """
    space = _NO_BREAK_SPACE if get_currency_symbol(currency, locale=_LOCALE)[-1:].isalpha() else ""
    pattern = f"\N{CURRENCY SIGN}{space}#,##0" + ("." + "0" * digits if digits else "")
    text = format_currency(
        abs(Decimal(micros).scaleb(-_MICRO_DIGITS)).normalize(),
        currency,
        format=pattern,
        locale=_LOCALE,
        currency_digits=False,
        decimal_quantization=False,
    )
    sign = _MINUS if micros < 0 else "+" if signed and micros > 0 else ""
    return f"{sign}{text}"
