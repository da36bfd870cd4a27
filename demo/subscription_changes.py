"""Counts changes of subscriptions from the inputs."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache

from demo.checks.rows import InputRow
from schemas.plan import MinutesPlan, load_catalogue

# The types of input that are counted, and `account-opened` for the first plan.
COUNTED_TYPES = (
    "account-opened",
    "plan-change-requested",
    "subscription-cancel-requested",
    "subscription-resume-requested",
    "payment-declined",
)


@cache
def display_name(plan: str) -> str:
    return load_catalogue().plans[plan].display_name


@dataclass(slots=True)
class SubscriptionChanges:
    """`counts` of upgrades, downgrades, cancellations, resumptions, resubscriptions and declines."""

    counts: Counter[str] = field(default_factory=Counter)
    _plans: dict[str, str] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def take(self, row: InputRow) -> None:
        """Count one input; inputs of an account come in order. A repeated input counts once."""
        if row.type not in COUNTED_TYPES or (row.account_id, row.id) in self._seen:
            return
        self._seen.add((row.account_id, row.id))
        if row.type == "account-opened":
            self._plans.setdefault(row.account_id, row.plan)
        elif row.type == "plan-change-requested":
            self._change(row)
        else:
            self.counts[_NAMES[row.type]] += 1

    def _change(self, row: InputRow) -> None:
        before = self._plans.get(row.account_id)
        if before is None or row.plan not in _prices():
            return
        if row.plan == before:
            self.counts["resubscriptions"] += 1
        elif _prices()[row.plan] >= _prices()[before]:
            self.counts["upgrades"] += 1
            self._plans[row.account_id] = row.plan
        else:
            self.counts["downgrades"] += 1


_NAMES = {
    "subscription-cancel-requested": "cancellations",
    "subscription-resume-requested": "resumptions",
    "payment-declined": "declines",
}


@cache
def _prices() -> dict[str, int]:
    """The monthly price of each plan in micros; 0 for a credits plan."""
    plans = load_catalogue().plans
    return {name: plan.monthly_price_micros if isinstance(plan, MinutesPlan) else 0 for name, plan in plans.items()}
