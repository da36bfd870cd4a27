"""One plain sentence about what a call cost and why, to be read before anything else. Rule G11."""

from schemas.facts import Charge, MinutesReceipt, Receipt
from schemas.money import format_money
from stream.call_story import FEATURES, CallStory, is_counted
from stream.call_words import day, names
from stream.credits_check import calls_included, cap_micros, is_extra, not_enabled
from stream.minutes_story import minutes_given_back, took_minutes, who_paid

_USED = {"live_agent": "a live agent", "appointment_booking": "an appointment"}
_UNANSWERED = {
    "no_answer": "nobody answered it",
    "busy": "the line was busy, nobody answered it",
    "failed": "it failed and was not answered",
    "canceled": "the caller hung up before it was answered",
}
_REDIRECTED = {
    "insufficient_balance": "it was beyond the included calls and there were no credits left",
    "extra_calls_off": "it was beyond the included calls and extra calls were switched off",
    "subscription_ended": "the subscription had ended",
    "unknown_account": "there was no such account when it started",
}


def sentence(story: CallStory) -> str:
    """What the call costs now and why; what it was charged first, where that was another amount."""
    who = f"Call {story.call_id} of account {story.account_id}"
    latest, charged = story.latest, story.charged
    if latest is None:
        return f"{who} {_uncharged(story)}."
    cost = _cost(latest.receipt.amount_micros, latest.currency)
    why = _why(story, latest) + (who_paid(story) if story.is_by_minutes else "")
    if not story.adjustments:
        return f"{who} cost {cost}: {why}."
    changed = f"{len(story.adjustments)} adjustment{'s' if len(story.adjustments) > 1 else ''}"
    if charged is None:
        return f"{who} costs {cost} now, after {changed}: {why}."
    first, changed_micros = charged.amount_micros, sum(move.amount_micros for move in story.adjustments)
    return (
        f"{who} costs {cost} now: it was first charged {format_money(first, charged.currency)}, then {changed}"
        f" {_direction(changed_micros, latest.currency)}, because {why}."
    )


def _direction(micros: int, currency: str) -> str:
    if micros == 0:
        return "came to the same"
    return f"{'took off' if micros < 0 else 'added'} {format_money(abs(micros), currency)}"


def _cost(micros: int, currency: str) -> str:
    return format_money(micros, currency) if micros else "nothing"


def _uncharged(story: CallStory) -> str:
    """A call with a decision and no charge: redirected, or still in progress."""
    if story.redirected is not None:
        where = f" to {story.redirected.redirect_to}" if isinstance(story.redirected.redirect_to, str) else ""
        why = _REDIRECTED.get(story.redirected.reason, story.redirected.reason)
        return f"cost nothing: it was redirected{where}, because {why}"
    if story.stuck is not None:
        return "has cost nothing so far: it was admitted, and no end was ever reported for it"
    if story.admitted is not None:
        return "has cost nothing so far: it was admitted and has not ended"
    return "has no charge in these facts, only ledger entries"


def _why(story: CallStory, charge: Charge) -> str:
    receipt, minutes = charge.receipt, charge.receipt.minutes
    if not is_counted(receipt):
        return _why_not_counted(story, receipt) + minutes_given_back(story)
    if isinstance(minutes, MinutesReceipt):
        return took_minutes(charge, minutes)
    now = "is" if story.adjustments else "was"
    clauses = [
        f"it {now} call {charge.ordinal} of the period from {day(charge.period_start)}",
        f"beyond the {calls_included(receipt)} included ones"
        if is_extra(charge)
        else f"one of the {calls_included(receipt)} included ones",
    ]
    billed = [_USED[f] for f in FEATURES if f in receipt.features_used and f in receipt.features_active]
    if billed:
        clauses.append(f"{' and '.join(billed)} {'were' if len(billed) > 1 else 'was'} used")
    off = not_enabled(charge)
    if off:
        clauses.append(f"{names(off)} {'were' if len(off) > 1 or off == ['extra_calls'] else 'was'} not enabled on it")
    forgiven_micros = -sum(line.amount_micros for line in receipt.lines if line.kind == "cap")
    if forgiven_micros:
        cap, forgiven = (
            format_money(cap_micros(receipt), charge.currency),
            format_money(forgiven_micros, charge.currency),
        )
        clauses.append(f"the cap of {cap} took off {forgiven}")
    return _listed(clauses)


def _why_not_counted(story: CallStory, receipt: Receipt) -> str:
    if receipt.gate == "redirected":
        redirected = story.redirected
        why = None if redirected is None else _REDIRECTED.get(redirected.reason, redirected.reason)
        return "the gate redirected it" + (f", {why}" if why else "")
    if receipt.outcome == "redirected":
        return "it was redirected"
    if receipt.answered_at is None:
        return _UNANSWERED.get(receipt.outcome, "it was not answered")
    return "it was marked as not real"


def _listed(clauses: list[str]) -> str:
    *others, last = clauses
    # Place and allowance are one thought; everything after them is joined by commas and a last "and".
    return ", ".join(others) + (f", and {last}" if len(clauses) > 2 else f", {last}")
