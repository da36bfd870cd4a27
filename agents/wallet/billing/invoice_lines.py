"""The lines of an invoice. Rules B2, B8, M11 and M13."""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from agents.wallet.billing.usage import overage_micros, usage_lines
from schemas.account import Period, Use
from schemas.billing import Billing, FeeLine, PhoneNumber
from schemas.currencies import Currency
from schemas.instant import minutes
from schemas.invoices import InvoiceLine
from schemas.money import round_half_away

_PPM = 1_000_000
_TAXED = frozenset({"subscription", "proration", "overage", "phone_number"})


def lines_of(billing: Billing, period: Period, currency: Currency) -> tuple[InvoiceLine, ...]:
    """The lines of a period's invoice in the order of rule B2. Lines of 0 are left out, except a fee."""
    lines = [
        *_fee_lines(billing, period),
        *_overage_lines(period),
        _line("top_up", "Wallet top-ups", period.top_up_micros),
        *_number_lines(billing, period),
    ]
    taxed_micros = sum(line.amount_micros for line in lines if line.kind in _TAXED)
    tax_micros = round_half_away(taxed_micros * billing.tax_rate_ppm, currency.minor_micros * _PPM) // _PPM
    lines += [
        _line("tax", f"Tax {_percent(billing.tax_rate_ppm)} %", tax_micros),
        _line("wallet_credit", "Paid from the wallet", -wallet_used_micros(period)),
        _line("carried", "Carried from earlier invoices", billing.carried_micros),
    ]
    return tuple(line for line in lines if line.amount_micros or line.kind == "subscription")


def wallet_used_micros(period: Period) -> int:
    """The net that the wallet paid for the calls and corrections on the period's invoice. Rules B2 and B7."""
    return overage_micros(period) - period.card_micros


def is_gone(phone: PhoneNumber, period: Period) -> bool:
    """Whether no later period pays for the number."""
    return phone.removed_at_ms is not None and phone.removed_at_ms <= period.end_ms


def _line(
    kind: str,
    description: str,
    amount_micros: int,
    quantity: float | UnsetType = UNSET,
    unit_micros: int | UnsetType = UNSET,
    direction: str | UnsetType = UNSET,
) -> InvoiceLine:
    return InvoiceLine(
        kind=kind,
        description=description,
        amount_micros=amount_micros,
        quantity=quantity,
        unit_amount_micros=unit_micros,
        direction=direction,
    )


def _fee_lines(billing: Billing, period: Period) -> Iterator[InvoiceLine]:
    """The fee of a term that began in the period, then prorations by time. Rule B2."""
    lines = [line for line in billing.lines if line.at_ms < period.end_ms]
    for line in sorted(lines, key=_fee_order):
        if line.months:
            yield _line(line.kind, line.description, line.amount_micros, line.months, line.amount_micros // line.months)
        else:
            yield _line(line.kind, line.description, line.amount_micros)


def _fee_order(line: FeeLine) -> tuple[bool, int]:
    return line.kind != "subscription", line.at_ms


def _overage_lines(period: Period) -> Iterator[InvoiceLine]:
    for direction, micros, use in usage_lines(period):
        quantity, unit_micros = _quantity(use, micros)
        described = f"{direction.capitalize()} calls{_beyond(use, micros)}"
        yield _line("overage", described, micros, quantity, unit_micros, direction)


def _quantity(use: Use, micros: int) -> tuple[int | float | UnsetType, int | UnsetType]:
    """Minutes and their rate, or calls; nothing where the line has both, or holds what was not counted. Rule B8."""
    if _is_by_minutes(use, micros):
        return minutes(use.beyond_ms), use.rate_micros if use.rate_micros > 0 else UNSET
    if _is_by_calls(use, micros):
        return use.calls, UNSET
    return UNSET, UNSET


def _is_by_minutes(use: Use, micros: int) -> bool:
    return use.beyond_micros == micros and not use.calls and not use.calls_micros


def _is_by_calls(use: Use, micros: int) -> bool:
    return use.calls_micros == micros and not use.beyond_ms and not use.beyond_micros


def _beyond(use: Use, micros: int) -> str:
    if _is_by_minutes(use, micros):
        return " beyond the included minutes"
    return " beyond those included and paid features" if _is_by_calls(use, micros) else ""


def _number_lines(billing: Billing, period: Period) -> Iterator[InvoiceLine]:
    """A whole month's fee for each number that the account held at any time in the period. Rule B2."""
    for phone in billing.numbers:
        removed_ms, fee_micros = phone.removed_at_ms, phone.monthly_fee_micros
        if phone.added_at_ms < period.end_ms and (removed_ms is None or removed_ms > period.start_ms):
            yield _line("phone_number", f"Phone number {phone.number}", fee_micros, 1, fee_micros)


def _percent(rate_ppm: int) -> str:
    """Parts per million as a percentage: `8.25`."""
    whole, rest = divmod(rate_ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")
