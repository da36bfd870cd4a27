"""The adapter's topics: two of the contract's, and two of its own."""

from collections.abc import Mapping

from payments.settings import Settings
from stream.topics import DAY_MS, INPUTS, KEPT_FOR_EVER, Topic, declared

REQUESTS = "payment-requests"
ANSWERS = INPUTS


def rows(settings: Settings) -> str:
    """A row for each payment, compacted. The name is chosen by hand: the state hangs on it."""
    return settings.topic(f"{settings.group}-rows")


def webhooks(settings: Settings) -> str:
    """What Stripe's webhooks were about, until the partition's adapter has looked."""
    return settings.topic(f"{settings.group}-webhooks")


def needed(settings: Settings) -> Mapping[str, Topic]:
    """Every topic the adapter needs, by its name on the cluster: the worker's, and its own two."""
    return {
        **declared(settings),
        rows(settings): Topic("payment-rows", KEPT_FOR_EVER, compacted=True),
        webhooks(settings): Topic("payment-webhooks", 7 * DAY_MS),
    }
