"""The first line of an explanation: one sentence with the cost of a call and its reasons. Rule G11."""

from backoffice.explain.call_history import FEATURES, CallHistory, is_counted
from backoffice.explain.check import calls_included, cap_micros, is_extra, not_enabled
from backoffice.explain.minutes_check import beyond_ms, exact_micros
from backoffice.explain.wording import day, duration, minutes_of, names
from schemas.facts import Charge, MinutesReceipt, Receipt
from schemas.instant import MINUTE_MS
from schemas.money import format_money

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


def sentence(history: CallHistory, who: str = "") -> str:
    """The current cost of the call and its reasons; also the first charge where adjustments followed. `who` replaces
    the ids with which it begins.
    """
    who = who or f"Call {history.call_id} of account {history.account_id}"
    latest, charged = history.latest, history.charged
    if latest is None:
        return f"{who} {_uncharged(history)}."
    cost = _cost(latest.receipt.amount_micros, latest.currency)
    why = _why(history, latest) + (_who_paid(history) if history.is_by_minutes else "")
    if not history.adjustments:
        return f"{who} cost {cost}: {why}."
    changed = f"{len(history.adjustments)} adjustment{'s' if len(history.adjustments) > 1 else ''}"
    if charged is None:
        return f"{who} costs {cost} now, after {changed}: {why}."
    first, changed_micros = charged.amount_micros, sum(move.amount_micros for move in history.adjustments)
    return (
        f"{who} costs {cost} now: it was first charged {format_money(first, charged.currency)}, then {changed}"
        f" {_direction(changed_micros, latest.currency)}, because {why}."
    )


def _direction(micros: int, currency: str) -> str:
    if micros == 0:
        return "changed nothing in all"
    return f"{'took off' if micros < 0 else 'added'} {format_money(abs(micros), currency)}"


def _cost(micros: int, currency: str) -> str:
    return format_money(micros, currency) if micros else "nothing"


def _uncharged(history: CallHistory) -> str:
    """A call without a charge: redirected, still in progress, or never ended."""
    if history.redirected is not None:
        where = f" to {history.redirected.redirect_to}" if isinstance(history.redirected.redirect_to, str) else ""
        why = _REDIRECTED.get(history.redirected.reason, history.redirected.reason)
        return f"cost nothing: it was redirected{where}, because {why}"
    if history.stuck is not None:
        return "has cost nothing so far: it was admitted, and no end was ever reported for it"
    if history.admitted is not None:
        return "has cost nothing so far: it was admitted and has not ended"
    if history.refused is not None:
        return "cost nothing: its start was refused, and no end was ever reported for it"
    return "has ledger entries in the file, but no charge"


def _why(history: CallHistory, charge: Charge) -> str:
    receipt, minutes = charge.receipt, charge.receipt.minutes
    if not is_counted(receipt):
        return _why_not_counted(history, receipt) + _minutes_given_back(history)
    if isinstance(minutes, MinutesReceipt):
        return _took_minutes(charge, minutes, history.time_zone)
    now = "is" if history.adjustments else "was"
    clauses = [
        f"it {now} call {charge.ordinal} of the period from {day(charge.period_start, history.time_zone)}",
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


def _listed(clauses: list[str]) -> str:
    *others, last = clauses
    # Two clauses (the call's place and the allowance) are joined by a comma, more by commas and a last "and".
    return ", ".join(others) + (f", and {last}" if len(clauses) > 2 else f", {last}")


def _why_not_counted(history: CallHistory, receipt: Receipt) -> str:
    if receipt.gate == "redirected":
        redirected = history.redirected
        why = None if redirected is None else _REDIRECTED.get(redirected.reason, redirected.reason)
        return "the gate redirected it" + (f", since {why}" if why else "")
    if receipt.outcome == "redirected":
        return "it was redirected"
    if receipt.answered_at is None:
        return _UNANSWERED.get(receipt.outcome, "it was not answered")
    return "it was marked as not real"


def _took_minutes(charge: Charge, minutes: MinutesReceipt, time_zone: str) -> str:
    """Why a counted call on a minutes plan has its cost, as a clause. Rules M2 to M4."""
    if minutes.rated_ms == 0:
        return "it ended the moment it was answered, and zero seconds cost nothing"
    took = minutes_of(minutes.rated_ms)
    if charge.billable_ms != minutes.rated_ms:
        took = f"{duration(charge.billable_ms)}, counted as {took}"
    rounds = ", which rounds to nothing" if exact_micros(minutes) and not charge.receipt.amount_micros else ""
    return f"it took {took}, {_split(charge, minutes, time_zone)}{rounds}"


def _split(charge: Charge, minutes: MinutesReceipt, time_zone: str) -> str:
    rate = f"at {format_money(minutes.rate_micros, charge.currency)} a minute"
    if not minutes.pool_ms:
        return f"with none included in the plan, {rate}"
    start = day(charge.period_start, time_zone)
    pool = f"the {_number_of_minutes(minutes.pool_ms)} included in the period from {start}"
    if not beyond_ms(minutes):
        return f"within {pool}"
    if not minutes.from_pool_ms:
        return f"beyond {pool}, {rate}"
    included, beyond = minutes_of(minutes.from_pool_ms), minutes_of(beyond_ms(minutes))
    return f"of which {included} within {pool} and {beyond} beyond them, {rate}"


def _number_of_minutes(millis: int) -> str:
    """`100`: the sentence around it names the unit; `3 min 5 s` where they are not whole."""
    whole, rest = divmod(millis, MINUTE_MS)
    return minutes_of(millis) if rest else f"{whole:,}"


def _minutes_given_back(history: CallHistory) -> str:
    """The minutes that the last adjustment gave back to the pool, as a clause; empty without any. Rule P3."""
    before = [move.receipt.minutes for move in history.moves()[-2:-1]]
    given_back_ms = sum(minutes.rated_ms for minutes in before if isinstance(minutes, MinutesReceipt))
    if not given_back_ms:
        return ""
    return f", and its {minutes_of(given_back_ms)} no longer count{'s' if given_back_ms == MINUTE_MS else ''}"


def _who_paid(history: CallHistory) -> str:
    """How wallet and card share the current cost, as a clause. Rules M5 and P3."""
    if history.charged is None:
        return ""
    moves, currency = history.moves(), history.charged.currency
    wallet_micros, card_micros = sum(move.wallet_micros for move in moves), sum(move.card_micros for move in moves)
    wallet, card = (format_money(abs(micros), currency) for micros in (wallet_micros, card_micros))
    if wallet_micros > 0 and card_micros > 0:
        return f"; the wallet paid {wallet}, and {card} went on the card"
    if wallet_micros > 0:
        return "; the wallet paid all of it"
    if card_micros > 0 > wallet_micros:
        return f"; {card} went on the card, and {wallet} of that came back to the wallet"
    if card_micros > 0:
        return "; all of it went on the card"
    return _all_given_back(moves, currency)


def _all_given_back(moves: list[Charge], currency: str) -> str:
    """Where the money of a call that no longer costs anything went, as a clause. Rule P3."""
    paid = [
        (sum(max(0, move.wallet_micros) for move in moves), "the wallet got back"),
        (sum(max(0, move.card_micros) for move in moves), "the card no longer owes"),
    ]
    refunds = [f"{who} {format_money(micros, currency)}" for micros, who in paid if micros]
    return f"; {' and '.join(refunds)}" if refunds else ""
