"""The adapter's topics: two of the contract, and two of its own."""

from collections.abc import Mapping

from payments.settings import Settings
from stream.lane.lost_state import State
from stream.topics import DAY_MS, INPUTS, KEPT_FOR_EVER, Topic, declared

REQUESTS = "payment-requests"
ANSWERS = INPUTS


def rows(settings: Settings) -> str:
    """A row for each payment, compacted. It holds the adapter's state, so its name must never change."""
    return settings.topic(f"{settings.group}-rows")


def webhooks(settings: Settings) -> str:
    """The webhook notes that the owner of each partition reads."""
    return settings.topic(f"{settings.group}-webhooks")


def needed(settings: Settings) -> Mapping[str, Topic]:
    """Every topic that the adapter uses, by its name on the cluster: two of the worker's, and its own two."""
    state = State(settings.group, settings.topic(REQUESTS))
    shared = declared(settings)
    return {
        **{name: shared[name] for name in (settings.topic(REQUESTS), settings.topic(ANSWERS))},
        rows(settings): Topic("payment-rows", KEPT_FOR_EVER, compacted=True, state=state),
        webhooks(settings): Topic("payment-webhooks", 7 * DAY_MS),
    }
