"""The terms of a plan for an account that the catalogue no longer offers them to. Rules G9 and K3."""

from collections.abc import Mapping

from schemas.plan import AnyPlan

Offers = Mapping[tuple[str, int], AnyPlan]


def nearest_terms(offers: Offers, plan: str, version: int, currency: str) -> AnyPlan:
    """The plan's terms of the version, or of the nearest one with prices in the currency: an earlier one before a later
    one. An account that was opened when prices had no currency has those of the plan's own.
    """
    versions = [known for name, known in offers if name == plan]
    nearest = sorted(versions, key=lambda known: (known > version, abs(known - version)))
    priced = (offers[plan, known].priced_in(currency) for known in nearest)
    return next((terms for terms in priced if terms is not None), offers[plan, nearest[0]])
