"""`/portal/handling`: what happens to calls beyond the included ones, and the redirect number. Rules C3 and C8."""

import re
from typing import Any, Final

from gateway.portal.actions import Action, FieldError, Form, Wish
from gateway.portal.call_rows import phone
from gateway.portal.pages import Page
from gateway.portal.periods import usage_now
from gateway.portal.plan_change import terms_of
from gateway.portal.usage import used_sentence
from gateway.portal.visit import Visit
from schemas.plan import CreditsPlan, MinutesPlan

PATH: Final = "/portal/handling"
KEEP, REDIRECT = "keep", "redirect"
REDIRECT_FIELD: Final = "redirect_to"
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SIP = re.compile(r"sips?:[!-~]{1,300}", re.ASCII)
_SEPARATORS = re.compile(r"[\s().\-\N{NON-BREAKING HYPHEN}\N{EN DASH}]")
_WRONG_NUMBER = "Enter the number with + and its country code, such as +1 415 555 0100."


def redirect_number(form: Form) -> str:
    """The number as telephones take it: `+14155550100`. An address of a telephone system is taken as well."""
    text = form.text(REDIRECT_FIELD, _WRONG_NUMBER)
    number = _SEPARATORS.sub("", text)
    if _NUMBER.fullmatch(number):
        return number
    if _SIP.fullmatch(text):
        return text
    raise FieldError(REDIRECT_FIELD, _WRONG_NUMBER)


async def wish_redirect(_: Visit, form: Form) -> Wish:
    """Used by the settings as well."""
    number = redirect_number(form)
    return Wish("redirect-set", {"redirect_to": number}, {"redirect_to": REDIRECT_FIELD})


async def _context(visit: Visit) -> dict[str, Any]:
    plan, snapshot = terms_of(visit.snapshot, visit.parts.plans), visit.snapshot
    usage = usage_now(snapshot, visit.now_ms)
    return {
        "plan": plan,
        "by_calls": isinstance(plan, CreditsPlan),
        "by_minutes": isinstance(plan, MinutesPlan),
        "used": used_sentence(usage, visit.words, by_minutes=not visit.credits),
        "beyond": KEEP if snapshot["features"]["extra_calls"] else REDIRECT,
        "waiting": snapshot["features"]["extra_calls"] and snapshot["available_micros"] <= 0,
        "redirect_to": snapshot.get("redirect_to", ""),
        "redirect_shown": phone(snapshot.get("redirect_to", "")),
    }


async def _wish_beyond(_: Visit, form: Form) -> Wish:
    beyond = form.choice("beyond", (KEEP, REDIRECT), "Choose what happens to calls beyond the included ones.")
    return Wish("feature-set", {"feature": "extra_calls", "enabled": beyond == KEEP})


HANDLING = Page(PATH, "handling", "Call handling", "handling.html", _context)
PAGES = (HANDLING,)
ACTIONS = (
    Action(
        f"{PATH}/beyond", HANDLING, _wish_beyond, PATH, "handling-set",
        "Saved. It applies from the next call.",
    ),
    Action(
        f"{PATH}/redirect", HANDLING, wish_redirect, PATH, "redirect-set",
        "The redirect number is saved. It applies from the next call.",
    ),
)  # fmt: skip
