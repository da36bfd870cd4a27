"""The page of auto-refill, which the minutes product calls auto top-up. Rules C13, C14, P8 and P9."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.portal.actions import Action, Form, Wish
from gateway.portal.card_words import Declined, card_name, card_of, declined_of
from gateway.portal.credits import card_options
from gateway.portal.pages import Page
from gateway.portal.visit import Visit

PATH: Final = "/portal/refill"
LOOKED_AT = 20
# What a refill is paid with as long as no card was chosen for it.
DEFAULT_CARD: Final = ""
_PAUSED = {
    "hard_decline": "the card was declined for good",
    "retries_exhausted": "the card was declined again and again",
    "dispute": "a payment is disputed",
    "refund": "a payment was refunded to the card",
}

Event = Mapping[str, Any]


def name_of(visit: Visit) -> str:
    return "Auto-refill" if visit.credits else "Auto top-up"


@dataclass(frozen=True, slots=True)
class Status:
    """How auto-refill stands. `state` is `off`, `on`, `in_flight`, `retrying`, `limited` or `paused`. `declined` is the
    card's last decline where that is why, `why` says why it is paused without one. `retry_at` is when the card is asked
    again.
    """

    state: str
    declined: Declined | None = None
    why: str = ""
    retry_at: str = ""


def status_of(snapshot: Event, refills: Iterable[Event]) -> Status:
    """The status, from the snapshot and the newest events of refills, newest first."""
    setting, events = snapshot["auto_refill"], list(refills)
    declined = _last_decline(events)
    if not setting["enabled"]:
        return Status("off")
    if setting["paused"]:
        reason = setting["paused_reason"] or ""
        card = declined if reason in {"hard_decline", "retries_exhausted"} else None
        return Status("paused", card, _PAUSED.get(reason, reason.replace("_", " ")))
    if setting["in_flight"]:
        return Status("in_flight")
    if setting["next_attempt_at"] is not None:
        return Status("retrying", declined, retry_at=setting["next_attempt_at"])
    return Status("limited" if _is_limited(snapshot, setting) else "on")


def _last_decline(events: Iterable[Event]) -> Declined | None:
    declined = next((event for event in events if event["type"] == "refill-declined"), None)
    return None if declined is None else declined_of(declined)


def _is_limited(snapshot: Event, setting: Event) -> bool:
    """Whether a refill is due that only the monthly limit keeps back. Rule P8."""
    limit_micros, amount_micros = setting["monthly_limit_micros"], setting["amount_micros"]
    if limit_micros is None or amount_micros is None:
        return False
    due = snapshot["balance_micros"] < setting["threshold_micros"]
    return bool(due and setting["spent_this_period_micros"] + amount_micros > limit_micros)


def limit_words(visit: Visit) -> str:
    """Why the monthly limit keeps the next refill back, and until when: for ever where one refill is more than it."""
    setting, money = visit.snapshot["auto_refill"], visit.words.money
    amount, limit = money(setting["amount_micros"]), money(setting["monthly_limit_micros"])
    if setting["amount_micros"] > setting["monthly_limit_micros"]:
        return f"{name_of(visit)} cannot add {amount}: the monthly limit is {limit}."
    end = visit.words.day(visit.usage["period_end"])
    return f"{name_of(visit)} waits until {end}: another {amount} would pass the monthly limit of {limit}."


def paused_words(visit: Visit, declined: Declined) -> str:
    """`Auto-refill is paused: Visa •••• 4242 was declined on 3 March (insufficient funds).`"""
    on = visit.words.day(declined.at)
    return f"{name_of(visit)} is paused: {declined.card} was declined on {on} ({declined.why})."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the last refill: `succeeded`, `declined` or `requested`."""

    kind: str
    amount_micros: int
    at: str
    declined: Declined | None = None


def last_outcome(refills: Iterable[Event]) -> Outcome | None:
    """The newest answer about a refill, or the newest request without one; None before the first."""
    for event in refills:
        kind = event["type"].removeprefix("refill-")
        if kind == "declined":
            return Outcome(kind, event["amount_micros"], event["occurred_at"], declined_of(event))
        if kind in {"succeeded", "requested"}:
            return Outcome(kind, event["amount_micros"], event["occurred_at"])
    return None


def paying_card(snapshot: Event) -> str | None:
    """The card that the next refill is paid with: the chosen one, or else the default one; never one that a dispute
    blocks. None when there is none.
    """
    chosen = snapshot["auto_refill"]["payment_method_id"]
    candidates = [card_of(snapshot, chosen) if chosen else None, card_of(snapshot, None)]
    return next((card_name(card) for card in candidates if card is not None and not card["blocked"]), None)


def choices(snapshot: Event) -> list[tuple[str, str]]:
    """The cards to choose from. Once one was chosen, the default card cannot be chosen as such again (rule P9)."""
    chosen = snapshot["auto_refill"]["payment_method_id"]
    cards = card_options(snapshot)
    known = chosen in {card for card, _ in cards}
    return cards if known else [(DEFAULT_CARD, "The default card, whichever it is"), *cards]


async def _context(visit: Visit) -> dict[str, Any]:
    snapshot = visit.snapshot
    refills = await visit.newest("refills", LOOKED_AT)
    status = status_of(snapshot, refills)
    return {
        "name": name_of(visit),
        "refill": snapshot["auto_refill"],
        "status": status,
        "paused": paused_words(visit, status.declined) if status.declined else "",
        "limited": limit_words(visit) if status.state == "limited" else "",
        "outcome": last_outcome(refills),
        "choices": choices(snapshot),
        "paying_card": paying_card(snapshot),
    }


PAGE = Page(PATH, "credits", name_of, "refill.html", _context)


async def _save(visit: Visit, form: Form) -> Wish:
    """All of the form is read before anything is sent. An empty limit is no limit, which the input writes as 0."""
    fields: dict[str, Any] = {
        "enabled": True,
        "amount_micros": form.money("amount", visit.words),
        "threshold_micros": form.money("threshold", visit.words, negative=True),
        "monthly_limit_micros": form.money("limit", visit.words, optional=True),
    }
    card = form.choice("card", [given for given, _ in choices(visit.snapshot)])
    if card != DEFAULT_CARD:
        fields["payment_method_id"] = card
    shown_at = {
        "amount_micros": "amount",
        "threshold_micros": "threshold",
        "monthly_limit_micros": "limit",
        "payment_method_id": "card",
    }
    return Wish("auto-refill-set", fields, shown_at)


async def _turn_off(visit: Visit, form: Form) -> Wish:  # noqa: ARG001 every form is read with its visit
    return Wish("auto-refill-set", {"enabled": False})


PAGES = (PAGE,)
ACTIONS = (
    Action(f"{PATH}/save", PAGE, _save, PATH, "refill-saved", "Saved. It is on."),
    Action(f"{PATH}/off", PAGE, _turn_off, PATH, "refill-off", "It is off. Credits are no longer added automatically."),
)
