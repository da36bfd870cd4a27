"""The inputs that open and set up each account before the month begins."""

from collections.abc import Iterator, Mapping
from random import Random

from demo.accounts import Account, Request, card, purchase
from demo.wire import Timed
from schemas.instant import DAY_MS
from schemas.money import MICROS_PER_UNIT

SALES_TAX_PPM = (40_000, 60_000, 62_500, 72_500, 82_500, 88_750)
OPENING_MS = DAY_MS
NUMBER_FEES = (2, 2, 2, 5)  # Dollars a month: a local number, or a toll-free one.


def setup(accounts: list[Account], begin_ms: int, rng: Random) -> Iterator[Timed]:
    """Open every account within a day from `begin_ms`. The signup, the anchor of its billing periods, is older."""
    for number, account in enumerate(accounts):
        at_ms = begin_ms + number * OPENING_MS // len(accounts)
        yield account.record("open", at_ms, ("account-opened", _opening(account)), account.signed_up_ms)
        settings = _subscriber(account, rng) if account.subscribes else _payer_by_the_call(account, rng)
        for step, request in enumerate(settings):
            yield account.record(f"setup{step}", at_ms + step, request)


def _opening(account: Account) -> Mapping[str, object]:
    email = f"{account.account_id}@example.com"
    return {"plan": account.plan, "time_zone": account.time_zone, "billing_email": email}


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
        yield phone_number(account, number, rng)
    if account.has_card:
        yield card(account, 1, rng)
        if rng.random() < 0.15:
            yield _auto_refill(account, rng)
        elif rng.random() < 0.35:
            yield purchase(account, "first", rng)


def phone_number(account: Account, number: int, rng: Random) -> Request:
    digits = f"+1555{number}{account.signed_up_ms % 1_000_000:06}"
    return "phone-number-added", {"number": digits, "monthly_fee_micros": rng.choice(NUMBER_FEES) * MICROS_PER_UNIT}


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
