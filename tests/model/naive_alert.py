"""Alerts in the naive model: how grave each is, who is told, and which card it is about. Rules A1, A2."""

from typing import Any

from tests.model.naive_account import NaiveAccount
from tests.model.naive_wire import Wire
from tests.model.naive_world import Fact, World

OPERATORS = ("call-stuck", "call-overlong", "refill-unresolved", "payment-contradicted", "payment-reversed")
OWNERS = (
    "balance-low",
    "billing-email-changed",
    "funds-needed",
    "purchase-declined",
    "refill-declined",
    "refill-paused",
    "subscription-payment-declined",
    "upgrade-suggested",
)


def tell(
    world: World, account: NaiveAccount, wire: Wire, alert: str, *, amount: int, card: Wire | None, **fields: Any
) -> None:
    """An alert about a card. `card` is the one that was asked for the money, None where none was. Rule A2."""
    shown = {} if card is None else {"brand": card["brand"], "last4": card["last4"]}
    about = {"amount_micros": amount, "currency": account.currency, "brand": None, "last4": None}
    world.fact(account.account_id, wire, type=alert, **(about | shown), **fields)


def alert(world: World, account: NaiveAccount, wire: Wire, what: str, **fields: Any) -> None:
    """One that is not about a card. What each alert carries beside its own fields comes later (`dress`)."""
    world.fact(account.account_id, wire, type=what, **fields)


def severity(said: Fact) -> str:
    """Rule A1. `gives_back` stands for a reversal that is good news."""
    kind = said["type"]
    if kind in ("upgrade-suggested", "billing-email-changed"):
        return "info"
    if kind == "balance-low":
        return "critical" if said["threshold_micros"] <= 0 else "warning"
    if kind == "refill-paused":
        return "warning" if said["reason"] == "monthly_limit" else "critical"
    if kind == "subscription-payment-declined":
        return "critical" if said["retry_at"] is None else "warning"
    if kind == "payment-reversed":
        return "info" if said["gives_back"] else "critical"
    if kind in ("purchase-declined", "refill-declined", "call-stuck", "call-overlong"):
        return "warning"
    return "critical"


def dress(account: NaiveAccount, fact: Fact) -> None:
    """What each alert carries beside its own fields. Rules A1, A2: the address is left out for the operator."""
    if fact["type"] in OWNERS:
        fact |= {"severity": severity(fact), "audience": "owner", "time_zone": account.time_zone}
        fact.setdefault("billing_email", account.billing.billing_email)
    elif fact["type"] in OPERATORS:
        fact |= {"severity": severity(fact), "audience": "operator", "billing_email": None}
    fact.pop("gives_back", None)
