"""The plans of a run: the shipped ones with prices in a second currency, and with a longer wait for refills, which a
compressed month would always exceed.
"""

import re
import tomllib
from functools import cache

from schemas.instant import MINUTE_MS, SECOND_MS
from schemas.plan import SHIPPED, AnyPlan, catalogue_from

# The real time from a payment request to its answer in the log is short, but it is hours of virtual time.
UNRESOLVED_AFTER_S = 4
UNRESOLVED_MIN_MS = 15 * MINUTE_MS
_UNRESOLVED = re.compile(r"^refill_unresolved_ms *= *[0-9_]+", re.MULTILINE)

# The shipped catalogue has prices in US dollars alone.
EURO_PRICES = """
[plans.free.currencies.EUR]
extra_call_micros = 2_800_000
live_agent_micros = 2_800_000
appointment_booking_micros = 2_800_000
cap_micros = 5_600_000

[plans.professional.currencies.EUR]
monthly_price_micros = 45_000_000
inbound_micros = 100_000
outbound_micros = 100_000
web_micros = 70_000

[plans.dental.currencies.EUR]
monthly_price_micros = 92_000_000
inbound_micros = 100_000
outbound_micros = 100_000
web_micros = 70_000

[plans.real_estate.currencies.EUR]
monthly_price_micros = 92_000_000
inbound_micros = 100_000
outbound_micros = 100_000
web_micros = 70_000
"""


def unresolved_ms(speed_up: float) -> int:
    """Virtual ms after which a refill without an answer is unresolved: the longer of 15 minutes and four real
    seconds.
    """
    return max(UNRESOLVED_MIN_MS, round(UNRESOLVED_AFTER_S * speed_up) * SECOND_MS)


def plans_of_a_run(speed_up: float) -> str:
    """The text of the run's catalogue. `speed_up` is virtual seconds per real second."""
    shipped = SHIPPED.read_text(encoding="utf-8")
    text, found = _UNRESOLVED.subn(f"refill_unresolved_ms = {unresolved_ms(speed_up)}", shipped)
    assert found == 1, "the catalogue sets refill_unresolved_ms once"
    return text + EURO_PRICES


@cache
def plan_of(name: str, currency: str) -> AnyPlan:
    """A plan of the run with its prices in `currency`."""
    plan = catalogue_from(tomllib.loads(plans_of_a_run(1))).plans[name].priced_in(currency)
    assert plan is not None, "accounts open in a currency that all plans have prices in"
    return plan
