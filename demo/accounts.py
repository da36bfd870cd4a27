"""The customers of the day: what they set up before it, and what they change while it runs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from random import Random

from demo.arrivals import moment_of_day
from demo.wire import Timed, encode
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.money import MICROS_PER_UNIT

TIME_ZONES = ("UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Europe/London")
BRANDS = ("visa", "visa", "visa", "mastercard", "mastercard", "american_express", "discover")
# A refill or top-up in dollars, by how busy the account is: who spends more adds more at once.
AMOUNTS_BY_SIZE = ((10, 20), (20, 50), (50, 100), (100, 250, 500))
SIZE_SIGMA = (
    0.8  # Of the lognormal weights: the busiest of a thousand accounts gets about ten times the median's calls.
)
DAYS_SINCE_SIGNUP_MAX = 60
LAST_COMMAND = 0.97  # Of the day's traffic: what a command causes (a payment, a refund) still happens within the day.

Command = tuple[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Account:
    """`weight` is its share of the calls relative to the others; `has_card` is whether it opens with one."""

    account_id: str
    weight: float
    has_card: bool

    @property
    def key(self) -> bytes:
        return self.account_id.encode()

    @property
    def amounts(self) -> tuple[int, ...]:
        """Dollars it is used to add at once."""
        return AMOUNTS_BY_SIZE[sum(self.weight > bound for bound in (0.7, 1.5, 3.0))]


def draw_accounts(count: int, label: str, rng: Random) -> list[Account]:
    return [
        Account(f"{label}-a{number:05}", rng.lognormvariate(0, SIZE_SIGMA), rng.random() < 0.78)
        for number in range(count)
    ]


def setup(accounts: list[Account], midnight_ms: int, begin_ms: int, rng: Random) -> Iterator[Timed]:
    """Open every account in the hour from `begin_ms`. Signups are up to 60 days old, so periods begin on any day."""
    for number, account in enumerate(accounts):
        at_ms = begin_ms + number * (HOUR_MS - 2 * MINUTE_MS) // len(accounts)
        signup_ms = midnight_ms - rng.randrange(2, DAYS_SINCE_SIGNUP_MAX) * DAY_MS + rng.randrange(DAY_MS)
        yield _record(account, "open", at_ms, ("account-opened", _opening(account, rng)), signup_ms)
        for step, command in enumerate(_first_settings(account, rng)):
            yield _record(account, f"setup{step}", at_ms + step, command)


def _opening(account: Account, rng: Random) -> Mapping[str, object]:
    return {"plan": "free", "time_zone": rng.choice(TIME_ZONES), "billing_email": f"{account.account_id}@example.com"}


def _first_settings(account: Account, rng: Random) -> Iterator[Command]:
    if rng.random() < 0.8:
        yield "redirect-set", {"redirect_to": f"+1555010{rng.randrange(10_000):04}"}
    for feature, share in (("extra_calls", 0.8), ("live_agent", 0.5), ("appointment_booking", 0.65)):
        if rng.random() < share:
            yield "feature-set", {"feature": feature, "enabled": True}
    if rng.random() < 0.15:
        yield "alert-thresholds-set", {"thresholds_micros": [rng.choice((5, 20, 25)) * MICROS_PER_UNIT, 0]}
    if account.has_card:
        yield _card(account, 1, rng)
        if rng.random() < 0.55:
            yield _auto_refill(account, rng)
        if rng.random() < 0.8:
            yield _purchase(account, "first", rng)


def _card(account: Account, number: int, rng: Random) -> Command:
    return "payment-method-added", {
        "payment_method_id": f"pm{number}-{account.account_id}",
        "token": f"tok{number}-{account.account_id}",
        "brand": rng.choice(BRANDS),
        "last4": f"{rng.randrange(10_000):04}",
        "exp_month": rng.randrange(1, 13),
        "exp_year": 2031,
    }


def _auto_refill(account: Account, rng: Random) -> Command:
    fields: dict[str, object] = {"enabled": True, "amount_micros": rng.choice(account.amounts) * MICROS_PER_UNIT}
    if rng.random() < 0.4:
        fields["threshold_micros"] = rng.choice((5, 20, 25)) * MICROS_PER_UNIT
    if rng.random() < 0.25:
        fields["monthly_limit_micros"] = 8 * max(account.amounts) * MICROS_PER_UNIT
    return "auto-refill-set", fields


def _purchase(account: Account, name: str, rng: Random) -> Command:
    return "credits-purchase-requested", {
        "purchase_id": f"{account.account_id}:buy-{name}",
        "amount_micros": rng.choice(account.amounts) * MICROS_PER_UNIT,
    }


def commands(accounts: list[Account], midnight_ms: int, rng: Random) -> Iterator[Timed]:
    """What owners and support do during the day, in order."""
    drawn = [record for account in accounts for record in _day_of(account, midnight_ms, rng)]
    return iter(sorted(drawn, key=attrgetter("at_ms")))


def _day_of(account: Account, midnight_ms: int, rng: Random) -> Iterable[Timed]:
    def some_time() -> int:
        return midnight_ms + moment_of_day(rng.random() * LAST_COMMAND)

    if account.has_card:
        if rng.random() < 0.25:
            yield from _top_up(account, some_time(), rng)
    elif rng.random() < 0.4:
        at_ms = some_time()
        yield _record(account, "card", at_ms, _card(account, 1, rng))
        yield from _top_up(account, at_ms + MINUTE_MS, rng)
    if rng.random() < 0.08:
        feature = rng.choice(("extra_calls", "live_agent", "appointment_booking"))
        command = "feature-set", {"feature": feature, "enabled": rng.random() < 0.7}
        yield _record(account, "switch", some_time(), command)
    if rng.random() < 0.02:
        amount_micros = rng.choice((-2, 3, 5, 10)) * MICROS_PER_UNIT
        grant = {"grant_id": "goodwill", "amount_micros": amount_micros, "reason": "goodwill", "actor": "support-7"}
        yield _record(account, "grant", some_time(), ("credits-granted", grant))


def _top_up(account: Account, at_ms: int, rng: Random) -> Iterator[Timed]:
    """The owner adds credits; an impatient one presses the button twice; now and then one wants the money back."""
    command = _purchase(account, "day", rng)
    yield _record(account, "buy", at_ms, command)
    if rng.random() < 0.1:
        yield _record(account, "buy-again", at_ms + 3 * SECOND_MS, command)
    if rng.random() < 0.04:
        refund = "credits-refund-requested", {"purchase_id": command[1]["purchase_id"]}
        yield _record(account, "refund", at_ms + 40 * MINUTE_MS, refund)


def _record(account: Account, name: str, at_ms: int, command: Command, occurred_ms: int | None = None) -> Timed:
    kind, fields = command
    when_ms = at_ms if occurred_ms is None else occurred_ms
    value = encode(kind, f"{account.account_id}:{name}", account.account_id, when_ms, fields)
    return Timed(at_ms, kind, account.key, value)
