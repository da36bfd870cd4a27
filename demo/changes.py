"""What owners made of their subscriptions, read from the inputs."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache

from demo.checks.rows import InputRow
from schemas.plan import MinutesPlan, load_catalogue

# The kinds of input that say something about a subscription, and the answers of cards beside them.
ASKED = (
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
class Changes:
    """`counts` by what was done: upgrades, downgrades, cancellations, resumptions, resubscriptions, declines."""

    counts: Counter[str] = field(default_factory=Counter)
    _plans: dict[str, str] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def take(self, row: InputRow) -> None:
        """One input, in the order of its account; one that was seen before counts once."""
        if row.type not in ASKED or (row.account_id, row.id) in self._seen:
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
    """What a month of each plan costs, micros. A plan by the call is the cheapest."""
    plans = load_catalogue().plans
    return {name: plan.monthly_price_micros if isinstance(plan, MinutesPlan) else 0 for name, plan in plans.items()}
