"""The inputs that open and set up each account before the month begins."""

from collections.abc import Iterator, Mapping
from random import Random

from demo.accounts import Account, Request, card, purchase
from demo.wire import Timed
from schemas.instant import DAY_MS
from schemas.money import MICROS_PER_UNIT
from schemas.plan_prices import DEFAULT_CURRENCY

SALES_TAX_PPM = (40_000, 60_000, 62_500, 72_500, 82_500, 88_750)
OPENING_MS = DAY_MS
NUMBER_FEES = (2, 2, 2, 5)  # Units of the currency a month: a local number, or a toll-free one.
SMALL_FEE_MICROS = 250_000  # Half of the least that a card can be charged.


def setup(accounts: list[Account], begin_ms: int, rng: Random) -> Iterator[Timed]:
    """Open every account within a day from `begin_ms`. The signup, the anchor of its billing periods, is older."""
    for number, account in enumerate(accounts):
        at_ms = begin_ms + number * OPENING_MS // len(accounts)
        yield account.record("open", at_ms, ("account-opened", _opening(account)), account.signed_up_ms)
        for step, request in enumerate(_settings(account, rng)):
            yield account.record(f"setup{step}", at_ms + step, request)


def _opening(account: Account) -> Mapping[str, object]:
    email = f"{account.account_id}@example.com"
    opening = {"plan": account.plan, "time_zone": account.time_zone, "billing_email": email}
    # The plan's own currency need not be named.
    return opening if account.currency == DEFAULT_CURRENCY else opening | {"currency": account.currency}


def _settings(account: Account, rng: Random) -> Iterator[Request]:
    if account.small:
        return _small(account, rng)
    return _subscriber(account, rng) if account.subscribes else _payer_by_the_call(account, rng)


def _small(account: Account, rng: Random) -> Iterator[Request]:
    """Paid features stay off: calls beyond the included ones are redirected and cost nothing."""
    yield from _redirect(rng)
    yield card(account, 1, rng)
    yield phone_number(account, 0, SMALL_FEE_MICROS)


def _payer_by_the_call(account: Account, rng: Random) -> Iterator[Request]:
    yield from _redirect(rng)
    for feature, share in (("extra_calls", 0.8), ("live_agent", 0.5), ("appointment_booking", 0.65)):
        if rng.random() < share:
            yield "feature-set", {"feature": feature, "enabled": True}
    if rng.random() < 0.15:
        yield "alert-thresholds-set", {"thresholds_micros": [rng.choice((5, 20, 25)) * MICROS_PER_UNIT, 0]}
    if account.has_card:
        yield card(account, 1, rng)
        if rng.random() < 0.55:
            yield _auto_refill(account, rng)
        if rng.random() < 0.8:
            yield purchase(account, "first", rng)


def _subscriber(account: Account, rng: Random) -> Iterator[Request]:
    yield from _redirect(rng)
    if rng.random() < 0.8:
        yield "tax-rate-set", {"rate_ppm": rng.choice(SALES_TAX_PPM)}
    for number in range(rng.choice((0, 1, 1, 1, 2, 3))):
        yield phone_number(account, number, usual_fee_micros(rng))
    if account.has_card:
        yield card(account, 1, rng)
        if rng.random() < 0.15:
            yield _auto_refill(account, rng)
        elif rng.random() < 0.35:
            yield purchase(account, "first", rng)


def usual_fee_micros(rng: Random) -> int:
    return rng.choice(NUMBER_FEES) * MICROS_PER_UNIT


def phone_number(account: Account, number: int, monthly_fee_micros: int) -> Request:
    digits = f"+1555{number}{account.signed_up_ms % 1_000_000:06}"
    return "phone-number-added", {"number": digits, "monthly_fee_micros": monthly_fee_micros}


def _redirect(rng: Random) -> Iterator[Request]:
    if rng.random() < 0.8:
        yield "redirect-set", {"redirect_to": f"+1555010{rng.randrange(10_000):04}"}


def _auto_refill(account: Account, rng: Random) -> Request:
    fields: dict[str, object] = {"enabled": True, "amount_micros": rng.choice(account.amounts) * MICROS_PER_UNIT}
    if rng.random() < 0.4:
        fields["threshold_micros"] = rng.choice((5, 20, 25)) * MICROS_PER_UNIT
    if rng.random() < 0.25:
        fields["monthly_limit_micros"] = 8 * max(account.amounts) * MICROS_PER_UNIT
    return "auto-refill-set", fields
