"""Sends a form's input through the gateway's commands, and answers with where it leads."""

import asyncio
import json
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.responses import RedirectResponse, Response
from uuid_utils import uuid7

from gateway.commands.inputs import field_of, prepare, usable_id
from gateway.commands.service import Pending, Result, Sent
from gateway.http.problem import Problem
from gateway.portal.actions import WISHED, Action, FieldError, Form, Wish
from gateway.portal.visit import AFTER, NOTICE, Visit

ACTOR = "owner"
UNDER_WAY = "under-way"
# The status of a form whose id stands for another input: it is shown again with a new one.
USED_ID = 409
_CHANGED = "This form was sent before with other values. Check the values and send it again."
_AWAY = "We could not save this right now. Nothing is lost: send it again in a moment."
_PASSING = frozenset({"unavailable", "internal", "rate_limited"})
_REFUSED = {
    "unknown_payment_method": "Choose one of your cards, or add one first.",
    "last_payment_method": "This is your only card, and your subscription needs one. Add another card first.",
    "no_subscription": "There is no running subscription.",
    "card_number_refused": "Leave card numbers out of this form.",
}
# What the engine calls a field, and what the owner calls it.
_FIELD_WORDS = {"amount_micros": "the amount", "payment_method_id": "the card", "plan": "the plan"}


class NotAllowedError(Exception):
    """A form asked for an input that no owner may send."""


def new_form_id() -> str:
    return f"page-{uuid7()}"


async def send(action: Action, visit: Visit, form: Form) -> Response:
    """Where the form leads. Raises FieldError with what is shown beside a field, and NotAllowedError."""
    wish = await action.wish(visit, form)
    if isinstance(wish, Response):
        return wish
    if wish.type not in WISHED:
        raise NotAllowedError
    if not usable_id(form.form_id):
        raise FieldError("", "This form is not complete. Check the values and send it again.")
    try:
        result = await _run(visit, form.form_id, wish)
    except Problem as problem:
        raise _shown(problem, wish, visit) from None
    return RedirectResponse(location(action.done_for(visit, form), _query(action, result)), 303)


async def _run(visit: Visit, form_id: str, wish: Wish) -> Result:
    parts, account_id = visit.parts, visit.session.account_id
    fields = {"type": wish.type, "id": form_id, "account_id": account_id, **wish.fields}
    prepared = prepare(fields, ACTOR, next(iter(parts.settings.keys()), None), parts.clock_ms(), parts.latest_ms())
    text = json.dumps(wish.fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    sent = Sent(sha256(text.encode()).hexdigest(), "")
    deadline_s = asyncio.get_running_loop().time() + parts.settings.command_timeout_ms / 1_000
    return await parts.commands.run(prepared, sent, deadline_s, wait=True)


def _query(action: Action, result: Result) -> dict[str, Any]:
    """What the next page is to say, and to wait for."""
    if isinstance(result, Pending):
        return {NOTICE: UNDER_WAY}
    version = orjson.loads(result.answer)["version"]
    return ({NOTICE: action.notice} if action.notice else {}) | ({AFTER: version} if version is not None else {})


def location(path: str, query: dict[str, Any]) -> str:
    """The path with more in its query, before its fragment."""
    if not query:
        return path
    before, hash_, fragment = path.partition("#")
    return f"{before}{'&' if '?' in before else '?'}{urlencode(query, quote_via=quote)}{hash_}{fragment}"


def _shown(problem: Problem, wish: Wish, visit: Visit) -> FieldError:
    """A refusal as the owner reads it."""
    if problem.code in _PASSING:
        return FieldError("", _AWAY, 503)
    if problem.code == "idempotency_mismatch":
        return FieldError("", _CHANGED, USED_ID)
    field = problem.field or field_of(problem.detail) or ""
    message = wish.refused.get(problem.code) or _REFUSED.get(problem.code) or sentence(problem.detail)
    if problem.code == "amount_not_payable":
        field, message = field or "amount_micros", wish.refused.get(problem.code) or _payable(visit)
    return FieldError(wish.shown_at.get(field, ""), message)


def _payable(visit: Visit) -> str:
    """The amounts that a card can be charged, in the account's currency."""
    currency, money = visit.parts.plans.currency(visit.words.currency), visit.words.money
    steps = f", in steps of {money(currency.step_micros)}" if currency.step_micros != currency.minor_micros else ""
    return f"Enter an amount from {money(currency.least_micros)} to {money(currency.greatest_micros)}{steps}."


def sentence(detail: str) -> str:
    """The engine's reason as a sentence, with the owner's words for its fields."""
    for name, words in _FIELD_WORDS.items():
        detail = detail.replace(f"`{name}`", words)
    detail = detail.replace("`", "").strip()
    return f"{detail[:1].upper()}{detail[1:]}{'' if detail.endswith('.') else '.'}"
