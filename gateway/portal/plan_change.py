"""What a change to another plan does and what it costs, before the owner asks for it. Rules M7, M8 and P11.

The sums come from the function that the engine computes them with, over the terms of the snapshot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.wallet.billing.proration import RestOfTerm, is_upgrade, rest_of_term
from agents.wallet.billing.subscription import ACTIVE, CANCELLING
from gateway.portal.periods import Snapshot, period_now
from schemas.currencies import Currency
from schemas.instant import parse_instant
from schemas.period import local_date
from schemas.plan import AnyPlan, Catalogue, CreditsPlan, MinutesPlan


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a proration: what is given back of a plan, or what the rest of the term costs on one."""

    plan: str
    rest: RestOfTerm


@dataclass(frozen=True, slots=True)
class Change:
    """A change to a plan. `at_once`: it takes effect now, otherwise at `at_ms`, the end of the term. `unused` and
    `added` are the sides of its proration. `ends_ms` is when a cancelled subscription ends all the same.
    """

    name: str
    wanted: AnyPlan
    currency: Currency
    at_once: bool
    at_ms: int
    unused: Side | None = None
    added: Side | None = None
    ends_ms: int | None = None

    @property
    def due_micros(self) -> int:
        """What the change costs. Below 0 it reduces the next invoice."""
        added_micros = 0 if self.added is None else self.added.rest.micros
        return added_micros - (0 if self.unused is None else self.unused.rest.micros)

    @property
    def today_micros(self) -> int:
        """What is requested from the card at once. What no card can be charged goes on the next invoice. Rule B10."""
        return self.due_micros if self.currency.is_payable(self.due_micros) else 0

    @property
    def invoiced_micros(self) -> int:
        """What goes on the next invoice instead."""
        return self.due_micros - self.today_micros


def terms_of(snapshot: Snapshot, catalogue: Catalogue) -> AnyPlan | None:
    """The account's plan in its currency; None when the catalogue has it no longer."""
    plan = catalogue.plans.get(snapshot["plan"])
    return None if plan is None else plan.priced_in(snapshot["currency"])


def offered(snapshot: Snapshot, catalogue: Catalogue) -> dict[str, AnyPlan]:
    """The plans that the account can change to, the cheapest first: those priced in its currency. A yearly interval is
    the operator's to set (rule M13): only who has it is offered it.
    """
    current = terms_of(snapshot, catalogue)
    yearly = current is not None and current.interval == "year" and _is_running(snapshot)
    priced = {name: plan.priced_in(snapshot["currency"]) for name, plan in catalogue.plans.items()}
    plans = {name: plan for name, plan in priced.items() if plan is not None and (yearly or plan.interval == "month")}
    return dict(sorted(plans.items(), key=lambda item: (item[1].monthly_price_micros, item[0] != snapshot["plan"])))


def change_to(snapshot: Snapshot, name: str, catalogue: Catalogue, now_ms: int) -> Change | None:
    """What a change to the plan does; None when there is nothing to change, or when it is not offered."""
    wanted, currency = offered(snapshot, catalogue).get(name), catalogue.currency(snapshot["currency"])
    status = snapshot["subscription"]["status"]
    if wanted is None or (name == snapshot["plan"] and status != "ended"):
        return None
    if not _is_running(snapshot):
        added = None
        if isinstance(wanted, MinutesPlan):
            added = _side(snapshot, wanted, wanted.fee_micros, period_now(snapshot, now_ms), now_ms, currency)
        return Change(name, wanted, currency, at_once=True, at_ms=now_ms, added=added)
    return _of_running(snapshot, name, wanted, catalogue, now_ms)


def _of_running(snapshot: Snapshot, name: str, wanted: AnyPlan, catalogue: Catalogue, now_ms: int) -> Change | None:
    subscription, currency = snapshot["subscription"], catalogue.currency(snapshot["currency"])
    cancelling = subscription["status"] == CANCELLING
    end_ms = int(parse_instant(subscription["ends_at"] if cancelling else subscription["renews_at"]))
    ends_ms = end_ms if cancelling else None
    plan = terms_of(snapshot, catalogue)
    months, fee_micros = _term(subscription, end_ms, snapshot["time_zone"], plan)
    if is_upgrade(months, fee_micros, wanted):
        unused = added = None
        if subscription["term_start"] is not None:
            term = parse_instant(subscription["term_start"]), end_ms
            unused = _side(snapshot, plan or wanted, fee_micros, term, now_ms, currency)
            added = _side(snapshot, wanted, wanted.fee_micros, term, now_ms, currency)
        return Change(name, wanted, currency, True, now_ms, unused, added, ends_ms)
    if cancelling and not isinstance(wanted, CreditsPlan):
        return None  # It would be stored as ended: the owner keeps the subscription first.
    return Change(name, wanted, currency, at_once=False, at_ms=end_ms, ends_ms=ends_ms)


def _term(subscription: Mapping[str, Any], end_ms: int, zone: str, plan: AnyPlan | None) -> tuple[int, int]:
    """Months and fee of the running term; those of the plan where none runs yet."""
    if subscription["term_start"] is None:
        return (1, 0) if plan is None else (plan.term_months, plan.fee_micros)
    first, end = local_date(parse_instant(subscription["term_start"]), zone), local_date(end_ms, zone)
    return (end.year - first.year) * 12 + end.month - first.month, subscription["fee_micros"]


def _side(
    snapshot: Snapshot, plan: AnyPlan, fee_micros: int, term: tuple[int, int], now_ms: int, currency: Currency
) -> Side:
    rest = rest_of_term(fee_micros, *term, now_ms, snapshot["time_zone"], currency.step_micros)
    return Side(plan_title(plan), rest)


def plan_title(plan: AnyPlan) -> str:
    return plan.display_name or plan.tier


def usable_card(snapshot: Snapshot) -> Mapping[str, Any] | None:
    """The card that the engine charges by itself: the default one, unless a dispute blocks it. Rule R7."""
    cards: list[Mapping[str, Any]] = snapshot["payment_methods"]
    return next((card for card in cards if card["default"] and not card["blocked"]), None)


def _is_running(snapshot: Snapshot) -> bool:
    return snapshot["subscription"]["status"] in {ACTIVE, CANCELLING}
