"""The accounts of the month: half of them pay by the call, half subscribe to a plan with minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from demo.wire import Timed, encode
from schemas.instant import DAY_MS
from schemas.money import MICROS_PER_UNIT
from schemas.period import period_at

TIME_ZONES = ("UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Europe/London")
BRANDS = ("visa", "visa", "visa", "mastercard", "mastercard", "american_express", "discover")
# Amounts of a refill or top-up in dollars, by the size of the account: larger accounts add more at once.
AMOUNTS_BY_SIZE = ((10, 20), (20, 50), (50, 100), (100, 250, 500))
# Sigma of the lognormal weights: the busiest of a thousand accounts gets about ten times the median's calls.
SIZE_SIGMA = 0.8
# Days from signup to the month: fewer than the shortest period, so that no period ends before the month, and more than
# the lead-in in which accounts are opened.
SIGNUP_DAYS = range(3, 27)

CREDITS_PLAN = "free"
SMALL_PLAN = "professional"
LARGE_PLANS = ("dental", "real_estate")
TALK_MEDIAN_S = {CREDITS_PLAN: 90, SMALL_PLAN: 180, "dental": 200, "real_estate": 220}

Request = tuple[str, Mapping[str, object]]  # An input's type and its own fields.


@dataclass(frozen=True, slots=True)
class Account:
    """`weight` is its share of the calls relative to other accounts; `has_card` is whether it opens with a card."""

    account_id: str
    plan: str
    weight: float
    has_card: bool
    time_zone: str
    signed_up_ms: int

    @property
    def key(self) -> bytes:
        return self.account_id.encode()

    @property
    def subscribes(self) -> bool:
        return self.plan != CREDITS_PLAN

    @property
    def talk_median_s(self) -> int:
        return TALK_MEDIAN_S[self.plan]

    @property
    def amounts(self) -> tuple[int, ...]:
        """Dollars that the owner adds at once."""
        return AMOUNTS_BY_SIZE[sum(self.weight > bound for bound in (0.7, 1.5, 3.0))]

    def renews_ms(self, midnight_ms: int) -> int:
        """The start of its first billing period after `midnight_ms` (epoch ms)."""
        return period_at(self.signed_up_ms, self.time_zone, midnight_ms)[1]

    def record(self, name: str, at_ms: int, request: Request, occurred_ms: int | None = None) -> Timed:
        """The record of a request by the owner or about the account; `name` is unique within the account."""
        kind, fields = request
        when_ms = at_ms if occurred_ms is None else occurred_ms
        value = encode(kind, f"{self.account_id}:{name}", self.account_id, when_ms, fields)
        return Timed(at_ms, kind, self.key, value)


def draw_accounts(count: int, label: str, midnight_ms: int, rng: Random) -> list[Account]:
    """Every other account subscribes. Signups are spread over the four weeks before `midnight_ms`."""
    return [_draw(f"{label}-a{number:05}", midnight_ms, rng, subscribes=bool(number % 2)) for number in range(count)]


def _draw(account_id: str, midnight_ms: int, rng: Random, *, subscribes: bool) -> Account:
    weight = rng.lognormvariate(0, SIZE_SIGMA)
    return Account(
        account_id,
        _plan(weight, rng) if subscribes else CREDITS_PLAN,
        weight,
        has_card=rng.random() < (0.92 if subscribes else 0.78),
        time_zone=rng.choice(TIME_ZONES),
        signed_up_ms=midnight_ms - rng.choice(SIGNUP_DAYS) * DAY_MS - rng.randrange(DAY_MS),
    )


def _plan(weight: float, rng: Random) -> str:
    """Small accounts mostly take the small plan; so do some busy accounts, for which it is too small."""
    return SMALL_PLAN if rng.random() < (0.85 if weight < 1 else 0.3) else rng.choice(LARGE_PLANS)


def card(account: Account, number: int, rng: Random) -> Request:
    return "payment-method-added", {
        "payment_method_id": f"pm{number}-{account.account_id}",
        "token": f"tok{number}-{account.account_id}",
        "brand": rng.choice(BRANDS),
        "last4": f"{rng.randrange(10_000):04}",
        "exp_month": rng.randrange(1, 13),
        "exp_year": 2031,
    }


def purchase(account: Account, name: str, rng: Random) -> Request:
    return "credits-purchase-requested", {
        "purchase_id": f"{account.account_id}:buy-{name}",
        "amount_micros": rng.choice(account.amounts) * MICROS_PER_UNIT,
    }
