"""When a payment is requested again after a decline. Rule M6."""

from agents.wallet.turn import Turn


def retry_at_ms(turn: Turn, declines: int) -> int:
    """When to ask again after so many declines, 0 for not before a new default card comes. Rule M6."""
    retries_ms = turn.view.catalogue.rules.subscription_retries_ms
    return turn.instant_ms + retries_ms[declines - 1] if declines <= len(retries_ms) else 0


def is_exhausted(turn: Turn, declines: int) -> bool:
    """Whether the last retry has been declined as well."""
    return declines > len(turn.view.catalogue.rules.subscription_retries_ms)
