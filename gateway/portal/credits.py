"""The page of the wallet: its balance, adding credits, what is enabled, and the newest transactions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.portal.actions import Action, FieldError, Form, Wish
from gateway.portal.card_words import Declined, card_name, declined_of
from gateway.portal.pages import Page
from gateway.portal.transactions import transactions_of
from gateway.portal.visit import Visit
from gateway.reads.cursor import Asked
from schemas.currencies import Currency
from schemas.instant import DAY_MS, parse_instant
from schemas.plan import CreditsPlan

PATH: Final = "/portal/credits"
OTHER: Final = "other"
FEATURES: Final = ("extra_calls", "live_agent", "appointment_booking")
TRANSACTIONS_SHOWN = 5
# A purchase that was declined longer ago, or before as many other events, is history.
SHOWN_MS, LOOKED_AT = 7 * DAY_MS, 50
# Amounts to choose from, in multiples of the currency's low balance: of dollars $20, $50 and $100.
_MULTIPLES = (2, 5, 10)
_CHOSEN = 1

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Switch:
    """A paid feature. `state` is `off`, `on`, or `waiting` for credits (rules C7 and C8)."""

    feature: str
    label: str
    meaning: str
    price_micros: int
    state: str


def switches(snapshot: Event, plan: CreditsPlan) -> list[Switch]:
    """The switches of a credits plan. One that is on is inactive while no credit is available."""
    rows = (
        ("extra_calls", "Extra calls", "per call beyond the included ones", plan.extra_call_micros),
        ("live_agent", "Live agent", "per call that a person takes over", plan.live_agent_micros),
        ("appointment_booking", "Appointment booking", "per call with an appointment", plan.appointment_booking_micros),
    )
    on = "on" if snapshot["available_micros"] > 0 else "waiting"
    return [Switch(*row, on if snapshot["features"][row[0]] else "off") for row in rows]


def presets(currency: Currency) -> list[int]:
    """The amounts to choose from, in micros: those that a card can be charged."""
    amounts = [multiple * currency.low_balance_micros for multiple in _MULTIPLES]
    return [micros for micros in amounts if currency.is_payable(micros)]


def pending_purchases(snapshot: Event) -> list[Event]:
    """The purchases that the bank has not answered, in order of request."""
    return [payment for payment in snapshot["pending_payments"] if payment["purpose"] == "purchase"]


def declined_purchase(snapshot: Event, alerts: Iterable[Event], ledger: Iterable[Event]) -> Declined | None:
    """The newest purchase, if it was declined: none has succeeded since, and none is under way."""
    declined = next((alert for alert in alerts if alert["type"] == "purchase-declined"), None)
    if declined is None or pending_purchases(snapshot):
        return None
    at_ms = parse_instant(declined["occurred_at"])
    paid = any(entry["kind"] == "purchase" and parse_instant(entry["occurred_at"]) >= at_ms for entry in ledger)
    return None if paid else declined_of(declined)


@dataclass(frozen=True, slots=True)
class Refundable:
    """Credits that can be given back `until` then. `added_at_ms` is when they were added."""

    amount_micros: int
    added_at_ms: int
    until: str


def refundable(snapshot: Event, window_ms: int) -> list[Refundable]:
    """What can be refunded, the older first. Each payment can for `window_ms` (rule P13)."""
    return [
        Refundable(one["amount_micros"], int(parse_instant(one["until"])) - window_ms, one["until"])
        for one in snapshot["refundable"]
    ]


def card_options(snapshot: Event) -> list[tuple[str, str]]:
    """The cards to pay with, the default one first."""
    cards = sorted(snapshot["payment_methods"], key=lambda card: not card["default"])
    return [(card["payment_method_id"], card_name(card)) for card in cards]


def chosen_text(asked: str, amounts: Sequence[str]) -> str:
    """The amount that is chosen on the page, as its form sends it; empty for another one, which is typed."""
    if asked == OTHER or not amounts:
        return ""
    return asked if asked in amounts else amounts[min(_CHOSEN, len(amounts) - 1)]


async def _context(visit: Visit) -> dict[str, Any]:
    snapshot, catalogue = visit.snapshot, visit.parts.plans
    amounts = presets(catalogue.currency(snapshot["currency"]))
    transactions, _ = await transactions_of(visit, TRANSACTIONS_SHOWN)
    since = Asked(from_ms=max(0, visit.now_ms - SHOWN_MS))
    alerts = await visit.newest("alerts", LOOKED_AT, asked=since)
    ledger = await visit.newest("ledger", LOOKED_AT, asked=since)
    plan = visit.plan
    return {
        "switches": switches(snapshot, plan) if isinstance(plan, CreditsPlan) else [],
        # By what the form sends for each.
        "amounts": {visit.words.amount(micros): visit.words.money(micros) for micros in amounts},
        "chosen": chosen_text(visit.request.query_params.get("amount", ""), [*map(visit.words.amount, amounts)]),
        "pending": pending_purchases(snapshot),
        "declined": declined_purchase(snapshot, alerts, ledger),
        "cards": card_options(snapshot),
        "refundable": refundable(snapshot, catalogue.rules.refund_window_ms),
        "transactions": transactions,
    }


PAGE = Page(PATH, "credits", lambda visit: "Billing credits" if visit.credits else "Wallet", "credits.html", _context)


async def _add(visit: Visit, form: Form) -> Wish:
    """The purchase has the form's own id, so a form that is sent twice is one purchase."""
    purchase_id = form.form_id
    amount_micros = form.money("amount", visit.words)
    if not amount_micros:
        raise FieldError("amount", "Enter how much to add.")
    others = [payment for payment in pending_purchases(visit.snapshot) if payment["reference"] != purchase_id]
    if others and not form.box("sure"):
        amount = visit.words.money(others[-1]["amount_micros"])
        raise FieldError("sure", f"Your payment of {amount} is still waiting for the bank. Tick the box to add more.")
    fields: dict[str, Any] = {"purchase_id": purchase_id, "amount_micros": amount_micros}
    if form.raw("card"):
        fields["payment_method_id"] = form.choice("card", [card for card, _ in card_options(visit.snapshot)])
    shown_at = {"amount_micros": "amount", "payment_method_id": "card"}
    return Wish("credits-purchase-requested", fields, shown_at)


async def _switch(visit: Visit, form: Form) -> Wish:  # noqa: ARG001 every form is read with its visit
    feature = form.choice("feature", FEATURES)
    return Wish("feature-set", {"feature": feature, "enabled": form.choice("enabled", ("yes", "no")) == "yes"})


PAGES = (PAGE,)
ACTIONS = (
    Action(
        f"{PATH}/add",
        PAGE,
        _add,
        PATH,
        "credits-requested",
        "Your bank was asked for the payment. The credits are yours as soon as it agrees.",
    ),
    Action(f"{PATH}/feature", PAGE, _switch, PATH, "feature-set", "Saved. It applies from the next call."),
)
