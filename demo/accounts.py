"""The accounts of the month: half of them pay by the call, half subscribe to a plan with minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from demo.wire import Timed, encode
from schemas.instant import DAY_MS
from schemas.money import MICROS_PER_UNIT
from schemas.period import period_at

TIME_ZONES = {
    "USD": ("UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    "EUR": ("Europe/Berlin", "Europe/Dublin", "Europe/Madrid"),
}
CURRENCIES = tuple(TIME_ZONES)
BRANDS = ("visa", "visa", "visa", "mastercard", "mastercard", "american_express", "discover")
# Amounts of a refill or top-up in units of the currency, by the size of the account: larger accounts add more at once.
AMOUNTS_BY_SIZE = ((10, 20), (20, 50), (50, 100), (100, 250, 500))
# Sigma of the lognormal weights: the busiest of a thousand accounts gets about ten times the median's calls.
SIZE_SIGMA = 0.8
# Days from signup to the month: fewer than the shortest period, so that no period ends before the month, and more than
# the lead-in in which accounts are opened.
SIGNUP_DAYS = range(3, 27)
# One account in so many uses no more than a cheap telephone number. Its first period ends early in the month and its
# second within it, so that the month shows what its first invoice carries to the second.
SMALL_EVERY, SMALL_OFFSET = 14, 4
SMALL_SIGNUP_DAYS = 29

CREDITS_PLAN = "free"
SMALL_PLAN = "professional"
LARGE_PLANS = ("dental", "real_estate")
TALK_MEDIAN_S = {CREDITS_PLAN: 90, SMALL_PLAN: 180, "dental": 200, "real_estate": 220}

Request = tuple[str, Mapping[str, object]]  # An input's type and its own fields.


@dataclass(frozen=True, slots=True)
class Account:
    """`weight` is its share of the calls relative to other accounts; `has_card` is whether it opens with a card, and
    `small` whether all it pays for is a number that costs less than a card can be charged.
    """

    account_id: str
    plan: str
    currency: str
    weight: float
    has_card: bool
    time_zone: str
    signed_up_ms: int
    small: bool

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
        """Units of the currency that the owner adds at once."""
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


def draw_accounts(
    count: int, label: str, midnight_ms: int, rng: Random, currencies: Sequence[str] = CURRENCIES
) -> list[Account]:
    """Every other account subscribes. The currencies take turns. Signups are spread over the four weeks before
    `midnight_ms`.
    """
    return [
        _draw(
            f"{label}-a{number:05}",
            midnight_ms,
            rng,
            subscribes=bool(number % 2),
            currency=currencies[number // 2 % len(currencies)],
            small=number % SMALL_EVERY == SMALL_OFFSET,
        )
        for number in range(count)
    ]


def _draw(account_id: str, midnight_ms: int, rng: Random, *, subscribes: bool, currency: str, small: bool) -> Account:
    weight = rng.lognormvariate(0, SIZE_SIGMA)
    return Account(
        account_id,
        _plan(weight, rng) if subscribes else CREDITS_PLAN,
        currency,
        weight,
        has_card=rng.random() < (0.92 if subscribes else 0.78) or small,
        time_zone=rng.choice(TIME_ZONES[currency]),
        signed_up_ms=midnight_ms
        - (SMALL_SIGNUP_DAYS if small else rng.choice(SIGNUP_DAYS)) * DAY_MS
        - rng.randrange(DAY_MS),
        small=small,
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
