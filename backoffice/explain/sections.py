"""The labelled rows of an explanation, below its first sentence: the call, the gate, the charge and who paid it,
adjustments, ledger, inputs and checks. `minutes_sections` has the rows of minutes plans. Rule G11.
"""

from collections.abc import Iterator

from msgspec import UnsetType

from backoffice.explain import minutes_sections
from backoffice.explain.call_history import CallHistory
from backoffice.explain.check import cap_micros, faults, not_enabled, off_of, recompute
from backoffice.explain.wording import duration, flow, line_rows, moment, names, signed
from schemas.facts import Charge, ChargeAdjusted, LegReceipt, MinutesReceipt
from schemas.money import format_money

_GATE_REASONS = {
    "included": "it was within the included calls",
    "credits": "it was beyond the included calls, extra calls were on and there were credits",
    "subscription": "the subscription was active",
    "insufficient_balance": "it was beyond the included calls and there were no credits left to use",
    "extra_calls_off": "it was beyond the included calls and extra calls were switched off",
    "subscription_ended": "the subscription had ended",
    "unknown_account": "no account of that id had been opened",
}
_CORRECTIONS = {
    "contradicting_end": "a later report of the call's end had other content",
    "leg": "another leg of the call ended",
    "reclassified": "the call was marked as {real}",
    "reranked": "another call of the period was added, removed or moved, so this one is now call {ordinal}",
}


def sections(history: CallHistory) -> Iterator[tuple[str, list[str]]]:
    """(label, rows) of each section, in order."""
    charge, latest = history.charged, history.latest
    if latest is not None:
        yield "Call", _call(latest)
    yield "Gate", _gate(history)
    if charge is not None:
        yield "Charge", _charge(charge)
        yield "Paid", _paid(charge)
    if latest is not None:
        if not history.is_by_minutes:
            off = not_enabled(latest)
            yield "Not enabled", [f"{names(off)}: used, and not billed" if off else "no feature that was used"]
        yield "Adjustments", _adjustments(history)
        yield "Ledger", _ledger(history)
    yield "Inputs", [_inputs(history)]
    yield "Check", _check(history)


def _call(charge: Charge) -> list[str]:
    receipt = charge.receipt
    answered = "not answered" if receipt.answered_at is None else f"answered {moment(receipt.answered_at)}"
    real = "" if receipt.real else ", marked as not real"
    how = f"{charge.direction}, {receipt.outcome.replace('_', ' ')}{real}"
    when = f"started {moment(receipt.started_at)}, {answered}, ended {moment(receipt.ended_at)}"
    longest = (
        "" if isinstance(charge.reported_ms, UnsetType) else f" of {duration(charge.reported_ms)}, the longest call"
    )
    legs = () if isinstance(receipt.legs, UnsetType) else receipt.legs
    return [
        f"{how}, plan {charge.plan} (version {charge.plan_version} of the catalogue)",
        f"{when}: {duration(charge.billable_ms)}{longest} billable",
        *map(_leg, legs),
    ]


def _leg(leg: LegReceipt) -> str:
    """One leg of a call that was reported by legs. Rule L1."""
    answered = "not answered" if leg.answered_at is None else f"answered {moment(leg.answered_at)}"
    name = "without an id" if isinstance(leg.leg_id, UnsetType) else leg.leg_id
    how = f"{leg.direction}, {leg.outcome.replace('_', ' ')}{'' if leg.real else ', not real'}"
    return f"leg {name}: {how}, started {moment(leg.started_at)}, {answered}, ended {moment(leg.ended_at)}"


def _gate(history: CallHistory) -> list[str]:
    """The decision of the gate and its reason. Rules C8 and P1."""
    admitted, redirected = history.admitted, history.redirected
    if redirected is not None:
        where = f" to {redirected.redirect_to}" if isinstance(redirected.redirect_to, str) else ""
        why = _GATE_REASONS.get(redirected.reason, redirected.reason)
        rows = [f"redirected{where} at {moment(redirected.occurred_at or '')}: {why} ({redirected.reason})"]
    elif admitted is not None:
        why = _GATE_REASONS.get(admitted.reason, admitted.reason)
        active = names(admitted.features_enabled) or "none (switched off, or no credits when it started)"
        held = format_money(admitted.hold_micros, admitted.currency)
        rows = [
            f"admitted at {moment(admitted.occurred_at)}: {why} ({admitted.reason})",
            f"features cost nothing extra on this plan; {held} held"
            if admitted.reason == "subscription"
            else f"paid features active on it: {active}; {held} held",
        ]
    elif history.refused is not None:
        rows = ["its start was refused (see the dead letters), so the decision was to redirect it"]
        if history.latest is not None:
            rows.append("its end was charged as if the call had been admitted when the end came")
    elif history.latest is not None and history.latest.receipt.gate == "none":
        rows = ["no start had been reported when its end was: charged as if admitted at that moment"]
    else:
        recorded = "" if history.latest is None else f"{history.latest.receipt.gate}, by the receipt; "
        rows = [f"{recorded}the file does not have the decision itself"]
    if history.stuck is not None:
        stuck = history.stuck
        held = format_money(stuck.hold_micros, stuck.currency)
        rows.append(f"no end had come by {moment(stuck.occurred_at)}: its hold of {held} was released (call-stuck)")
    return rows


def _charge(charge: Charge) -> list[str]:
    receipt, currency = charge.receipt, charge.currency
    published = f"at {moment(charge.occurred_at)}, {charge.id}"
    if isinstance(receipt.minutes, MinutesReceipt):
        return [published, *minutes_sections.charge_rows(charge, receipt.minutes)]
    charged, quantum = (
        format_money(charge.amount_micros, currency),
        format_money(receipt.charge_quantum_micros, currency),
    )
    unrounded = format_money(receipt.unrounded_micros, currency)
    change = f"{unrounded}, nothing to round" if unrounded == charged else f"{unrounded} -> {charged}"
    return [
        published,
        *line_rows(charge.lines, currency, off_of(charge)),
        f"{'charged':<34} {charged:>12}",
        f"at most {format_money(cap_micros(receipt), currency)} a call; rounded once to {quantum}, halves up: {change}",
    ]


def _paid(charge: Charge) -> list[str]:
    if isinstance(charge.receipt.minutes, MinutesReceipt):
        return minutes_sections.paid_rows(charge)
    before = format_money(charge.balance_before_micros, charge.currency)
    after = format_money(charge.balance_after_micros, charge.currency)
    wallet = flow(charge.wallet_micros, charge.currency, "from the wallet", "back to the wallet")
    card = flow(charge.card_micros, charge.currency, "by card", "back to the card")
    return [f"{wallet}, {card}", f"balance {before} before, {after} after"]


def _adjustments(history: CallHistory) -> list[str]:
    rows: list[str] = []
    before: Charge | None = history.charged
    for adjustment in history.adjustments:
        rows += _adjustment(before, adjustment)
        before = adjustment
    return rows or ["none"]


def _adjustment(before: Charge | None, adjustment: ChargeAdjusted) -> list[str]:
    """One later correction: amount, reason, lines, and the balance before and after it. Rules G6 and C18."""
    why = correction(adjustment)
    amount, minutes = signed(adjustment.amount_micros, adjustment.currency), adjustment.receipt.minutes
    if isinstance(minutes, MinutesReceipt):
        changes = minutes_sections.adjustment_rows(before, adjustment, minutes)
    else:
        changes = [*line_rows(adjustment.lines, adjustment.currency, _switched(before, adjustment))]
    return [
        f"{amount} at {moment(adjustment.occurred_at)}: {why} ({adjustment.reason}, input {adjustment.caused_by})",
        *(f"  {row}" for row in (*changes, *_paid(adjustment))),
    ]


def correction(adjustment: ChargeAdjusted) -> str:
    """Why the cost of a call has changed, as a clause. Rules G6, L3 and C18."""
    return _CORRECTIONS.get(adjustment.reason, adjustment.reason).format(
        real="real" if adjustment.receipt.real else "not real", ordinal=adjustment.ordinal or "out of the count"
    )


def _switched(before: Charge | None, after: ChargeAdjusted) -> list[str]:
    """What the `not_enabled` lines of an adjustment are for: features that it takes off that list, then those that it
    adds. Lines that stay are not among its lines. Unknown without the charge before it.
    """
    if before is None:
        return []
    was, now = off_of(before), off_of(after)
    return [*(one for one in was if one not in now), *(one for one in now if one not in was)]


def _ledger(history: CallHistory) -> list[str]:
    if not history.has_ledger:
        return ["no ledger entry of the account was read"]
    return [
        f"{entry.entry_id}: {entry.kind} {signed(entry.amount_micros, entry.currency)},"
        f" balance {format_money(entry.balance_after_micros, entry.currency)} after"
        for entry in history.entries
    ] or ["no entry: the wallet did not move" if history.is_by_minutes else "no entry: nothing moved"]


def _inputs(history: CallHistory) -> str:
    """The ids of the inputs that caused the call's facts, in order, each once."""
    decisions = (history.admitted, history.redirected, history.refused)
    ids = [fact.caused_by for fact in decisions if fact is not None and fact.caused_by is not None]
    for move in history.moves():
        ids += [*move.receipt.input_ids, move.caused_by]
    return ", ".join(dict.fromkeys(ids)) or "none"


def _check(history: CallHistory) -> list[str]:
    """The amount recomputed from the receipt beside the charged amount, and everything that does not add up."""
    latest, found = history.latest, faults(history)
    if latest is None:
        return ["nothing was charged, nothing to recompute"]
    recomputed = format_money(recompute(latest.receipt), latest.currency)
    charged = format_money(latest.receipt.amount_micros, latest.currency)
    rows = [f"recomputed: {recomputed}, " + ("the same" if recomputed == charged else f"NOT the {charged} charged")]
    if isinstance(latest.receipt.minutes, MinutesReceipt):
        rows.insert(0, minutes_sections.recomputed_row(latest.receipt, latest.receipt.minutes))
    if found:
        return [*rows, *(f"DIFFERS: {fault}" for fault in found)]
    if history.adjustments:
        rows.append("charge and adjustments sum to what the call costs now")
    moved = "what the wallet paid and got back" if history.is_by_minutes else "the same amounts"
    return [*rows, f"the ledger moved by {moved}"] if history.has_ledger else rows
