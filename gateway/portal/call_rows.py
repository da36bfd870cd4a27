"""Calls as the owner reads them: one row each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import orjson
from jinja2.filters import do_mark_safe

from gateway.portal.charged_calls import charged_call
from gateway.portal.words import MINUS
from gateway.reads.calls import Call
from schemas.call import REDIRECTED, reported_ms
from schemas.instant import MINUTE_MS, SECOND_MS

_ALONE = {"inbound": "Inbound call", "outbound": "Outbound call", "web": "Web call"}
_REDIRECTS = {
    "insufficient_balance": "Redirected: no credits were left",
    "extra_calls_off": "Redirected: extra calls are off",
    "subscription_ended": "Redirected: the subscription had ended",
}
# Numbers as `phone` writes them, cards, days with the time if there is one, and amounts with a minus.
_WHOLE = re.compile(
    r"\+1 \d{3} \d{3} \d{4}"
    r"|[A-Z][a-z]+ •••• \d{4}"
    r"|\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"(?: \d{4})?(?:, \d\d:\d\d)?"
    rf"|{MINUS}[^\s\d]*[\d.,]*\d"
)
_UNANSWERED = {"busy": "Busy", "failed": "Failed", "canceled": "Hung up before an answer"}


@dataclass(frozen=True, slots=True)
class CallRow:
    """`net_micros` is None while the call has no charge. `kind` is the status's: fine, attention, stopped, waiting."""

    call_id: str
    at_ms: int
    title: str
    kind: str
    outcome: str
    length: str
    net_micros: int | None


def row_of(call: Call) -> CallRow:
    decision: Mapping[str, Any] = {} if call.decision is None else orjson.loads(call.decision)
    charged = charged_call(call)
    # Of a call by legs, the end knows better than the start.
    direction = str(decision.get("direction") if charged is None else charged.end.direction)
    kind, outcome = _outcome(decision, charged)
    charged_micros = call.charged_micros()
    return CallRow(
        call.place.call_id.decode(),
        call.place.first_ms,
        title_of(direction, decision),
        kind,
        outcome,
        length_of(reported_ms(charged.end)) if charged and charged.end.answered_at_ms is not None else "",
        None if charged_micros is None else charged_micros + call.adjusted_micros(),
    )


def title_of(direction: str, decision: Mapping[str, Any]) -> str:
    """`Call from +1 415 555 0100`, as far as the gate was told who calls whom; just `Call` of one that nothing is known
    of any more.
    """
    if direction == "outbound" and decision.get("to"):
        return f"Call to {phone(str(decision['to']))}"
    if direction == "inbound" and decision.get("from"):
        return f"Call from {phone(str(decision['from']))}"
    return _ALONE.get(direction, "Call")


def _outcome(decision: Mapping[str, Any], charged: Any) -> tuple[str, str]:
    if decision.get("type") == "call-redirected":
        return "attention", redirected_words(decision["reason"])
    if charged is None:
        return "waiting", "In progress"
    if charged.end.outcome == REDIRECTED:
        return "attention", "Redirected"
    if charged.end.answered_at_ms is None:
        return "waiting", _UNANSWERED.get(charged.end.outcome, "Not answered")
    return ("fine", "Answered") if charged.counted else ("waiting", "Not a real call: not counted")


def redirected_words(reason: str) -> str:
    """Why the gate has redirected a call."""
    return _REDIRECTS.get(reason, "Redirected")


def length_of(millis: int) -> str:
    """`3 min`, `3 min 20 s`, `40 s`."""
    minutes, rest_ms = divmod(millis, MINUTE_MS)
    seconds = rest_ms // SECOND_MS
    parts = [f"{minutes:,} min"] if minutes else []
    return " ".join([*parts, f"{seconds} s"] if seconds or not parts else parts)


def unbroken(text: str) -> str:
    """The text as HTML, with no line break inside a number, a card, a day or a negative amount. Its characters stay."""
    return do_mark_safe(_WHOLE.sub(r'<span class="whole">\g<0></span>', escape(text)))


def phone(number: str) -> str:
    """A number in groups, where the country's are known: `+1 415 555 0100`."""
    digits = number.removeprefix("+1")
    if number.startswith("+1") and len(digits) == 10 and digits.isascii() and digits.isdigit():
        return f"+1 {digits[:3]} {digits[3:6]} {digits[6:]}"
    return number
