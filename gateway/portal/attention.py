"""What needs the owner's attention, each with the button that fixes it, until it is settled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.portal.call_rows import phone
from gateway.portal.card_words import card_name, card_of, reason_words
from gateway.portal.refill import limit_words
from gateway.portal.today import Today
from gateway.portal.visit import Visit
from schemas.instant import DAY_MS, parse_instant

ALERTS_READ, DOCUMENTS_READ = 50, 50
# A declined purchase is old news after this; what a subscription owes stays open longer.
PURCHASE_NEWS_MS: Final = 7 * DAY_MS
PAYMENT_NEWS_MS: Final = 45 * DAY_MS
_CREDITS, _REFILL, _CARDS = "/portal/credits", "/portal/refill", "/portal/cards"
_PLAN, _HANDLING = "/portal/plan", "/portal/handling"
_PURPOSES = {
    "subscription": "your subscription",
    "overage": "minutes beyond the included ones",
    "invoice": "an invoice",
}
_FEATURES = {"live_agent": "live agent", "appointment_booking": "appointment booking"}

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Box:
    """`kind` is `attention` or, where calls are not answered or money does not come, `stopped`; `path` and `lead` are
    the button.
    """

    kind: str
    text: str
    path: str
    lead: str


async def attention_of(visit: Visit, today: Today) -> list[Box]:
    """The most urgent boxes first."""
    alerts = await visit.newest("alerts", ALERTS_READ)
    documents = await visit.newest("invoices", DOCUMENTS_READ, wanted=lambda event: event["type"] == "receipt-issued")
    boxes = [
        *_subscription(visit),
        *_calls(visit, today),
        *_refill(visit, alerts),
        *_purchase(visit, alerts, documents),
        *_payment(visit, alerts, documents),
        *_card(visit),
    ]
    if not any(box.path == _CARDS for box in boxes):
        boxes += _no_card(visit)
    return sorted(boxes, key=lambda box: box.kind != "stopped")


def _subscription(visit: Visit) -> Iterator[Box]:
    subscription = visit.snapshot["subscription"]
    if subscription["status"] == "ended":
        yield Box("stopped", f"Your subscription has ended: calls are {_redirected(visit)}.", _PLAN, "Choose a plan")
    elif subscription["status"] == "cancelling":
        day = visit.words.day(subscription["ends_at"])
        text = f"Your subscription is cancelled and ends on {day}. Until then your calls are answered."
        yield Box("attention", text, _PLAN, "Keep subscription")


def _calls(visit: Visit, today: Today) -> Iterator[Box]:
    """Rule C8: what happens to the next call, and what has happened to those of today."""
    snapshot, usage, features = visit.snapshot, visit.usage, visit.snapshot["features"]
    if not visit.credits or snapshot["subscription"]["status"] == "ended":
        return
    used_up, empty = usage["calls_counted"] >= usage["calls_included"], snapshot["available_micros"] <= 0
    included = f"Your {visit.words.count(usage['calls_included'], 'included call')} this month"
    included += " is used" if usage["calls_included"] == 1 else " are used"
    if used_up and not features["extra_calls"]:
        so_far = _so_far(visit, today.reasons["extra_calls_off"])
        text = f"{included}, and extra calls are off: more calls are {_redirected(visit)}.{so_far}"
        yield Box("attention", text, _HANDLING, "Change call handling")
    elif used_up and empty:
        so_far = _so_far(visit, today.reasons["insufficient_balance"])
        text = f"{included}, and there are no credits left: more calls are {_redirected(visit)}.{so_far}"
        yield Box("stopped", text, _CREDITS, "Add credits")
    elif empty and (waiting := [words for name, words in _FEATURES.items() if features[name]]):
        names = " and ".join(waiting)
        verb, them = ("waits", "it") if len(waiting) == 1 else ("wait", "them")
        text = f"{names[:1].upper()}{names[1:]} {verb} for credits: calls are answered without {them}."
        yield Box("attention", text, _CREDITS, "Add credits")


def _redirected(visit: Visit) -> str:
    number = visit.snapshot.get("redirect_to")
    return f"redirected to {phone(number)}" if number else "redirected, but you have set no number for them"


def _so_far(visit: Visit, calls: int) -> str:
    return f" Today that was {visit.words.count(calls, 'call')}." if calls else ""


def _refill(visit: Visit, alerts: Sequence[Event]) -> Iterator[Box]:
    refill, words = visit.snapshot["auto_refill"], visit.words
    name = "Auto-refill" if visit.credits else "Auto top-up"
    declined = _newest(alerts, "refill-declined")
    paused = _newest(alerts, "refill-paused")
    if refill["enabled"] and refill["paused"]:
        if refill["paused_reason"] in {"dispute", "refund"}:
            what = "disputed" if refill["paused_reason"] == "dispute" else "refunded"
            text = f"{name} is paused: a payment was {what}{_on(visit, paused)}."
            yield Box("stopped", text, _REFILL, f"Check {name.lower()}")
        else:
            why = f": {_declined(visit, declined)}" if declined else ""
            yield Box("stopped", f"{name} is paused{why}.", _REFILL, "Use another card")
    elif refill["next_attempt_at"] is not None and declined:
        again = words.moment(refill["next_attempt_at"])
        text = f"{name} did not work: {_declined(visit, declined)}. The next attempt is on {again}."
        yield Box("attention", text, _REFILL, "Use another card")
    elif _limit_reached(visit, paused):
        yield Box("attention", limit_words(visit), _REFILL, "Change limit")


def _limit_reached(visit: Visit, paused: Event | None) -> bool:
    """Rule P8: over its limit a refill waits for the next period. It was wanted, and it is still over."""
    refill = visit.snapshot["auto_refill"]
    if paused is None or paused["reason"] != "monthly_limit" or not refill["enabled"]:
        return False
    limit_micros, amount_micros = refill["monthly_limit_micros"], refill["amount_micros"]
    over = limit_micros is not None and refill["spent_this_period_micros"] + amount_micros > limit_micros
    return over and _ms(paused) >= parse_instant(visit.usage["period_start"])


def _purchase(visit: Visit, alerts: Sequence[Event], receipts: Sequence[Event]) -> Iterator[Box]:
    """A purchase that was declined, unless another one was paid, or is under way, since."""
    declined = _newest(alerts, "purchase-declined")
    pending = any(payment["purpose"] == "purchase" for payment in visit.snapshot["pending_payments"])
    if declined is None or pending or visit.now_ms - _ms(declined) > PURCHASE_NEWS_MS:
        return
    if not _paid_since(declined, receipts, {"purchase"}):
        amount = visit.words.money(declined["amount_micros"])
        yield Box("attention", f"{amount} was not added: {_declined(visit, declined)}.", _CREDITS, "Try again")


def _payment(visit: Visit, alerts: Sequence[Event], receipts: Sequence[Event]) -> Iterator[Box]:
    """A fee, overage or invoice that was declined. What was open is part of the next invoice's one payment."""
    declined = _newest(alerts, "subscription-payment-declined")
    if declined is None or visit.now_ms - _ms(declined) > PAYMENT_NEWS_MS:
        return
    if _paid_since(declined, receipts, {declined["purpose"], "invoice"}):
        return
    amount, purpose = visit.words.money(declined["amount_micros"]), _PURPOSES.get(declined["purpose"], "your plan")
    if declined["reason"] == "no_payment_method":
        if not visit.snapshot["payment_methods"]:
            text = f"There is no card to pay {amount} for {purpose}."
            yield Box(_severity(declined), text, _CARDS, "Add a card")
        return
    again = f" We try again on {visit.words.day(declined['retry_at'])}." if declined.get("retry_at") else ""
    text = f"{amount} for {purpose} is not paid: {_declined(visit, declined)}.{again}"
    yield Box(_severity(declined), text, _CARDS, "Use another card")


def _severity(alert: Event) -> str:
    return "stopped" if alert["severity"] == "critical" else "attention"


def _card(visit: Visit) -> Iterator[Box]:
    card = card_of(visit.snapshot, None)
    if card is None:
        return
    if card["blocked"]:
        text = f"A payment with {card_name(card)} is disputed, so the card is not used."
        yield Box("attention", text, _CARDS, "Use another card")
    now = visit.words.local(visit.now_ms)
    if (card["exp_year"], card["exp_month"]) < (now.year, now.month):
        text = f"{card_name(card)} has expired ({card['exp_month']:02}/{card['exp_year']})."
        yield Box("attention", text, _CARDS, "Use another card")


def _no_card(visit: Visit) -> Iterator[Box]:
    """Rule P11: the first fee is asked for when the first card comes, and nothing is declined before."""
    subscription = visit.snapshot["subscription"]
    if subscription["status"] == "active" and subscription["fee_micros"] and not visit.snapshot["payment_methods"]:
        text = "There is no card for your subscription. It is charged as soon as you add one."
        yield Box("attention", text, _CARDS, "Add a card")


def _newest(alerts: Sequence[Event], kind: str) -> Event | None:
    return next((alert for alert in alerts if alert["type"] == kind), None)


def _paid_since(declined: Event, receipts: Sequence[Event], purposes: set[str]) -> bool:
    return any(receipt["purpose"] in purposes and _ms(receipt) > _ms(declined) for receipt in receipts)


def _declined(visit: Visit, alert: Event) -> str:
    """`Visa •••• 4242 was declined on 3 March (insufficient funds)`."""
    return f"{card_name(alert)} was declined{_on(visit, alert)} ({reason_words(alert['reason'])})"


def _on(visit: Visit, alert: Event | None) -> str:
    return "" if alert is None else f" on {visit.words.day(alert['occurred_at'])}"


def _ms(event: Event) -> int:
    return int(parse_instant(event["occurred_at"]))
