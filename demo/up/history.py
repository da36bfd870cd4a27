"""What happened at the demo accounts in the month before now: who they are, their requests and their calls.

Pure: no clock, no Kafka. The same settings give the same inputs.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from random import Random

import orjson

from demo.accounts import Account, Request
from demo.calls import CallShares, calls
from demo.wire import Timed
from payments.providers.fake_cards import TRIAL_CARDS
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.money import MICROS_PER_UNIT

CREDITS, MINUTES = "demo-credits", "demo-minutes"
# A call can be reported for 35 days. With today there are 34 days of calls.
DAYS_BEFORE = 33
CALLS = 210
# Nothing is reported in the last minutes before now, so that the month is played before the first tick after it.
QUIET_MS = 2 * MINUTE_MS
# What happens to calls at these accounts; everything else is shown by the demo.
SHARES = CallShares(late_end=0, end_first=0, start_only=0, end_only=0, contradicted=0, forgotten=0, forked=0)


def demo_accounts(now_ms: int) -> list[Account]:
    """One account that pays by the call, and one that subscribes to a plan with minutes. Both signed up before their
    first call.
    """
    opened_ms = begin_ms(now_ms)
    return [
        Account(CREDITS, "free", "USD", 2.0, True, "America/New_York", opened_ms, small=False),
        Account(MINUTES, "professional", "USD", 3.0, True, "America/Chicago", opened_ms, small=False),
    ]


def history(now_ms: int, seed: int) -> list[Timed]:
    """All inputs but ticks and answers to payments, in the order in which they reach the log. No call is open at
    `now_ms` (epoch).
    """
    accounts, midnight_ms = demo_accounts(now_ms), _first_midnight_ms(now_ms)
    rng = Random(seed)  # noqa: S311 repeatable, not secret
    requests = [record for account in accounts for record in _requests(account, midnight_ms)]
    reported = (
        record for record in calls(accounts, CALLS, midnight_ms, SHARES, rng) if record.at_ms < now_ms - QUIET_MS
    )
    happened = [record for record in requests if record.at_ms < now_ms - QUIET_MS] + list(_ended(list(reported)))
    return sorted(happened, key=attrgetter("at_ms"))


def begin_ms(now_ms: int) -> int:
    """When the first account opens: an hour before the first midnight (UTC)."""
    return _first_midnight_ms(now_ms) - HOUR_MS


def _first_midnight_ms(now_ms: int) -> int:
    return (now_ms // DAY_MS - DAYS_BEFORE) * DAY_MS


def _ended(records: list[Timed]) -> Iterator[Timed]:
    """The records of calls whose end is among them."""
    ended = {_call_of(record) for record in records if record.kind == "call-ended"}
    return (record for record in records if _call_of(record) in ended)


def _call_of(record: Timed) -> str:
    return str(orjson.loads(record.value)["call_id"])


def _requests(account: Account, midnight_ms: int) -> Iterable[Timed]:
    """What the owner requested: some when the account opened, the rest so many days after the first midnight."""
    opening: Mapping[str, object] = {
        "plan": account.plan,
        "time_zone": account.time_zone,
        "billing_email": f"owner@{account.account_id}.example",
    }
    opened_ms = account.signed_up_ms
    yield account.record("open", opened_ms, ("account-opened", opening))
    wanted = _OF_CREDITS if account.account_id == CREDITS else _OF_MINUTES
    for number, (after_days, request) in enumerate(wanted):
        at_ms = opened_ms + MINUTE_MS * (number + 1) if after_days == 0 else midnight_ms + round(after_days * DAY_MS)
        yield account.record(f"request-{number}", at_ms, request)


def _card(reason: str | None) -> Request:
    """A card for trials: its payments succeed, or are declined for this reason."""
    card = next(card for card in TRIAL_CARDS if card.reason == reason)
    return "payment-method-added", {
        "payment_method_id": f"card-{card.last4}",
        "token": card.token,
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": 11,
        "exp_year": 2031,
    }


def _purchase(name: str, units: int) -> Request:
    return "credits-purchase-requested", {"purchase_id": name, "amount_micros": units * MICROS_PER_UNIT}


def _feature(name: str) -> Request:
    return "feature-set", {"feature": name, "enabled": True}


_OF_CREDITS: tuple[tuple[float, Request], ...] = (
    (0, ("redirect-set", {"redirect_to": "+12025550143"})),
    (0, _card("insufficient_funds")),
    (0, _purchase("too-much", 50)),
    (0, _card(None)),
    (0, ("payment-method-defaulted", {"payment_method_id": "card-4242"})),
    (0, _purchase("first", 50)),
    (0, _feature("extra_calls")),
    (0, _feature("appointment_booking")),
    (6.6, ("auto-refill-set", {"enabled": True, "amount_micros": 50_000_000, "threshold_micros": 20_000_000})),
    (11.6, _feature("live_agent")),
)
_OF_MINUTES: tuple[tuple[float, Request], ...] = (
    (0, ("redirect-set", {"redirect_to": "+13125550119"})),
    (0, ("tax-rate-set", {"rate_ppm": 62_500})),
    (0, _card(None)),
    (0, ("phone-number-added", {"number": "+13125550177", "monthly_fee_micros": 2_000_000})),
    (8.6, _purchase("first", 20)),
)
