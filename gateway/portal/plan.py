"""`/portal/plan`: the plan in force and what waits, the comparison, a change, a cancellation, and what undoes them."""

from collections.abc import Mapping
from typing import Any, Final

from agents.wallet.billing.subscription import ACTIVE, CANCELLING
from backoffice.documents.wording import brand_of, days
from gateway.http.problem import Problem
from gateway.portal.actions import Action, FieldError, Form, Wish
from gateway.portal.call_rows import phone
from gateway.portal.comparison import last_month
from gateway.portal.pages import Page
from gateway.portal.periods import Snapshot
from gateway.portal.plan_change import change_to, offered, plan_title, terms_of, usable_card
from gateway.portal.plan_words import included_in, price_of, words_of
from gateway.portal.visit import Visit
from schemas.instant import format_instant, minutes
from schemas.plan import CreditsPlan, MinutesPlan

PATH: Final = "/portal/plan"
REASONS: Final = (
    ("costs", "It costs too much"),
    ("unused", "I do not use it enough"),
    ("quality", "Calls were not handled well"),
    ("missing", "Something that I need is missing"),
    ("elsewhere", "I use another service"),
    ("closing", "I am closing the business"),
    ("other", "Something else"),
)
_NOT_OFFERED = "This plan is not offered to your account. Choose another one."
_AMOUNT_CHANGED = "What this costs has changed since you opened the page. Check the amount and send it again."


async def _context(visit: Visit) -> dict[str, Any]:
    snapshot, words, catalogue = visit.snapshot, visit.words, visit.parts.plans
    plan, subscription = terms_of(snapshot, catalogue), visit.snapshot["subscription"]
    others = [
        {
            "name": name,
            "title": plan_title(other),
            "price": price_of(other, words),
            "included": included_in(other, words),
        }
        for name, other in offered(snapshot, catalogue).items()
        if name != snapshot.get("plan_change", {}).get("plan")
        and change_to(snapshot, name, catalogue, visit.now_ms) is not None
    ]
    return {
        "name": name_of(snapshot, plan),
        "price": None if plan is None else price_of(plan, words),
        "included": [] if plan is None else included_in(plan, words),
        "subscription": subscription,
        "others": others,
        "pending": _pending(visit),
        "paying": [payment for payment in snapshot["pending_payments"] if payment["purpose"] == "subscription"],
        "card": usable_card(snapshot),
        "may_cancel": subscription["status"] == ACTIVE,
        "may_resume": subscription["status"] == CANCELLING,
    }


def name_of(snapshot: Snapshot, plan: Any) -> str:
    """The plan's name; of one that the catalogue has no longer, its key."""
    return plan_title(plan) if plan is not None else str(snapshot["plan"]).replace("_", " ").capitalize()


def _pending(visit: Visit) -> dict[str, Any] | None:
    """The change that waits for the end of the term."""
    change = visit.snapshot.get("plan_change")
    if change is None:
        return None
    offer = visit.parts.plans.plans.get(change["plan"])
    plan = None if offer is None else offer.priced_in(visit.snapshot["currency"])
    title = change["plan"] if plan is None else plan_title(plan)
    price = "" if plan is None else price_of(plan, visit.words)
    # A subscription that ends then starts no other one.
    ended = visit.snapshot["subscription"]["status"] == CANCELLING and isinstance(plan, MinutesPlan)
    return None if ended else {"title": title, "price": price, "at": change["at"]}


async def _compare(visit: Visit) -> dict[str, Any]:
    compared = await last_month(visit)
    prices = {} if compared is None else {row.name: price_of(row.plan, visit.words) for row in compared.rows}
    changes = {
        name
        for name in prices
        if visit.session.may_change and change_to(visit.snapshot, name, visit.parts.plans, visit.now_ms) is not None
    }
    span = ""
    if compared is not None:
        start_ms, end_ms = compared.period
        span = days(format_instant(start_ms), format_instant(end_ms), visit.snapshot["time_zone"])
    return {"compared": compared, "prices": prices, "changes": changes, "span": span, "minutes": minutes}


async def _change(visit: Visit) -> dict[str, Any]:
    name = visit.request.query_params.get("plan", "")
    change = change_to(visit.snapshot, name, visit.parts.plans, visit.now_ms)
    if change is None:
        raise Problem("not_found", "There is no such plan to change to.")
    current = terms_of(visit.snapshot, visit.parts.plans)
    return {
        "change": change,
        "said": words_of(change, visit.snapshot, visit.words),
        "wanted": plan_title(change.wanted),
        "current": name_of(visit.snapshot, current),
        "included": included_in(change.wanted, visit.words),
        "card": usable_card(visit.snapshot),
        "card_shown": card_shown(usable_card(visit.snapshot)),
    }


def card_shown(card: Mapping[str, Any] | None) -> str:
    return "" if card is None else f"{brand_of(card['brand'])} •••• {card['last4']}"


def _change_title(visit: Visit) -> str:
    plan = visit.parts.plans.plans.get(visit.request.query_params.get("plan", ""))
    return f"Change to {plan_title(plan)}" if plan is not None else "Change plan"


async def _cancel(visit: Visit) -> dict[str, Any]:
    subscription = visit.snapshot["subscription"]
    if subscription["status"] != ACTIVE:
        raise Problem("not_found", "There is no subscription to cancel.")
    plan = terms_of(visit.snapshot, visit.parts.plans)
    return {
        "name": name_of(visit.snapshot, plan),
        "until": subscription["renews_at"],
        "reasons": [(*one, "") for one in REASONS],
        "redirect_to": phone(visit.snapshot.get("redirect_to", "")),
        "follows": _follows(visit),
    }


def _follows(visit: Visit) -> str:
    """The credits plan that begins when the subscription has ended (rule M8); empty when none does."""
    plan = visit.parts.plans.plans.get(visit.snapshot.get("plan_change", {}).get("plan", ""))
    return plan_title(plan) if isinstance(plan, CreditsPlan) else ""


async def _wish_change(visit: Visit, form: Form) -> Wish:
    """The change, if it still costs what its page showed. The form of a change that is made already is sent again as
    it is: its id says that it is the same one.
    """
    name = visit.request.query_params.get("plan", "")
    wish = Wish("plan-change-requested", {"plan": name}, refused={"unknown_plan": _NOT_OFFERED})
    change = change_to(visit.snapshot, name, visit.parts.plans, visit.now_ms)
    if change is None and name != visit.snapshot["plan"]:
        raise Problem("not_found", _NOT_OFFERED)
    if change is not None and form.raw("due_micros") != str(change.due_micros):
        raise FieldError("", _AMOUNT_CHANGED)
    return wish


async def _wish_keep(visit: Visit, _: Form) -> Wish:
    return Wish("plan-change-requested", {"plan": visit.snapshot["plan"]})


async def _wish_cancel(_: Visit, form: Form) -> Wish:
    reason = reason_of(form)
    return Wish("subscription-cancel-requested", {"reason": reason} if reason else {})


def reason_of(form: Form) -> str:
    """The answer to the survey; empty when it was left out."""
    labels: Mapping[str, str] = dict(REASONS)
    chosen = labels.get(form.raw("reason"), "")
    more = form.text("more", optional=True)
    return ": ".join(part for part in (chosen, more) if part)


async def _wish_resume(_visit: Visit, _form: Form) -> Wish:
    return Wish("subscription-resume-requested", {})


PLAN = Page(PATH, "plan", "Plan", "plan.html", _context)
COMPARE = Page(f"{PATH}/compare", "plan", "Compare plans", "plan_compare.html", _compare)
CHANGE = Page(f"{PATH}/change", "plan", _change_title, "plan_change.html", _change, changes=True)
CANCEL = Page(f"{PATH}/cancel", "plan", "Cancel subscription", "plan_cancel.html", _cancel, changes=True)
PAGES = (PLAN, COMPARE, CHANGE, CANCEL)
ACTIONS = (
    Action(CHANGE.path, CHANGE, _wish_change, PATH, "plan-changed", "Your change of plan is saved."),
    Action(f"{PATH}/keep", PLAN, _wish_keep, PATH, "plan-kept", "You keep your plan. Nothing will change."),
    Action(
        CANCEL.path, CANCEL, _wish_cancel, PATH, "subscription-cancelled",
        "Your subscription is cancelled. You can use it until it ends, and undo this until then.",
    ),
    Action(f"{PATH}/resume", PLAN, _wish_resume, PATH, "subscription-resumed", "Your subscription goes on."),
)  # fmt: skip
