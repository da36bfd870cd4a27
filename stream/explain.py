"""Why a call cost what it cost, from the facts alone: `python -m stream explain FACTS.jsonl CALL_ID`. Rule G11."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer

from schemas.facts import Charge, ChargeAdjusted, MinutesReceipt
from schemas.money import format_money
from stream import minutes_story
from stream.call_check import faults, recompute
from stream.call_sentence import sentence
from stream.call_story import CallStory, ExplainError, read_story
from stream.call_words import duration, flow, line_row, moment, names, signed
from stream.credits_check import cap_micros, not_enabled

_LABEL_WIDTH = 13
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
    "contradicting_end": "a later end of the call said something else",
    "reclassified": "the call was marked as {real}",
    "reranked": "another call of the period came, went or moved, so this one is now call {ordinal}",
}


def command(
    facts: Annotated[str, typer.Argument(metavar="FACTS.jsonl", help="Facts, one a line; - reads stdin.")],
    call_id: Annotated[str, typer.Argument(metavar="CALL_ID", help="The call to explain.")],
    account: Annotated[str | None, typer.Option(help="Whose call, where several accounts have one of that id.")] = None,
) -> None:
    """Say in one sentence what a call cost and why, then show the arithmetic and check it.

    Needs nothing but facts: those that `replay` writes, or the values of `call-decisions`, `charges`, `alerts` and
    `ledger-entries`. Exit status 1 when the call is not there or something does not add up.
    """
    try:
        with sys.stdin.buffer if facts == "-" else Path(facts).open("rb") as lines:
            story = read_story(_read(lines), call_id, account)
    except (ExplainError, OSError) as error:
        typer.echo(f"explain: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(_tell(story))
    if faults(story):
        raise typer.Exit(1)


def explain(facts: Iterable[dict[str, Any]], call_id: str, account_id: str | None = None) -> str:
    """The explanation of a call: one plain sentence, then everything that it rests on, with what does not add up.

    Raises ExplainError when the call is not in the facts, or in those of several accounts.
    """
    return _tell(read_story(enumerate(facts, start=1), call_id, account_id))


def _read(lines: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """The facts of a file with their line numbers. Others are named on standard error and passed over."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fact = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            typer.echo(f"explain: line {number} is not JSON and was passed over: {error.msg}", err=True)
            continue
        if isinstance(fact, dict):
            yield number, fact
        else:
            typer.echo(f"explain: line {number} is not a JSON object and was passed over", err=True)


def _tell(story: CallStory) -> str:
    lines = [sentence(story), ""]
    for label, rows in _sections(story):
        for place, row in enumerate(rows):
            lines.append(f"{label if place == 0 else '':<{_LABEL_WIDTH}} {row}".rstrip())
    return "\n".join(lines)


def _sections(story: CallStory) -> Iterator[tuple[str, list[str]]]:
    charge, latest = story.charged, story.latest
    if latest is not None:
        yield "Call", _call(latest)
    yield "Gate", _gate(story)
    if charge is not None:
        yield "Charge", _charge(charge)
        yield "Paid", _paid(charge)
    if latest is not None:
        if not story.is_by_minutes:
            off = not_enabled(latest)
            yield "Not enabled", [f"{names(off)}: used, and not billed" if off else "nothing that was used"]
        yield "Adjustments", _adjustments(story)
        yield "Ledger", _ledger(story)
    yield "Inputs", [_inputs(story)]
    yield "Check", _check(story)


def _call(charge: Charge) -> list[str]:
    receipt = charge.receipt
    answered = "not answered" if receipt.answered_at is None else f"answered {moment(receipt.answered_at)}"
    real = "" if receipt.real else ", marked as not real"
    how = f"{charge.direction}, {receipt.outcome.replace('_', ' ')}{real}"
    when = f"started {moment(receipt.started_at)}, {answered}, ended {moment(receipt.ended_at)}"
    return [
        f"{how}, plan {charge.plan} (version {charge.plan_version} of the catalogue)",
        f"{when}: {duration(charge.billable_ms)} billable",
    ]


def _gate(story: CallStory) -> list[str]:
    """What the gate decided and why. Rules C8 and P1."""
    admitted, redirected = story.admitted, story.redirected
    if redirected is not None:
        where = f" to {redirected.redirect_to}" if isinstance(redirected.redirect_to, str) else ""
        why = _GATE_REASONS.get(redirected.reason, redirected.reason)
        rows = [f"redirected{where} at {moment(redirected.occurred_at)}: {why} ({redirected.reason})"]
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
    elif story.latest is not None and story.latest.receipt.gate == "none":
        rows = ["its end was reported before its start, if that ever was: charged as if admitted at that moment"]
    else:
        said = "" if story.latest is None else f"{story.latest.receipt.gate}, says the receipt; "
        rows = [f"{said}the decision itself is not in these facts"]
    if story.stuck is not None:
        stuck = story.stuck
        held = format_money(stuck.hold_micros, stuck.currency)
        rows.append(f"no end had come by {moment(stuck.occurred_at)}: its hold of {held} was released (call-stuck)")
    return rows


def _charge(charge: Charge) -> list[str]:
    receipt, currency = charge.receipt, charge.currency
    published = f"at {moment(charge.occurred_at)}, {charge.id}"
    if isinstance(receipt.minutes, MinutesReceipt):
        return [published, *minutes_story.charge_rows(charge, receipt.minutes)]
    charged, quantum = (
        format_money(charge.amount_micros, currency),
        format_money(receipt.charge_quantum_micros, currency),
    )
    unrounded = format_money(receipt.unrounded_micros, currency)
    change = f"{unrounded}, nothing to round" if unrounded == charged else f"{unrounded} -> {charged}"
    return [
        published,
        *(line_row(line, currency) for line in charge.lines),
        f"{'charged':<34} {charged:>12}",
        f"at most {format_money(cap_micros(receipt), currency)} a call; rounded once to {quantum}, halves up: {change}",
    ]


def _paid(charge: Charge) -> list[str]:
    if isinstance(charge.receipt.minutes, MinutesReceipt):
        return minutes_story.paid_rows(charge)
    before = format_money(charge.balance_before_micros, charge.currency)
    after = format_money(charge.balance_after_micros, charge.currency)
    wallet = flow(charge.wallet_micros, charge.currency, "from the wallet", "back to the wallet")
    card = flow(charge.card_micros, charge.currency, "by card", "back to the card")
    return [f"{wallet}, {card}", f"balance {before} before, {after} after"]


def _adjustments(story: CallStory) -> list[str]:
    rows: list[str] = []
    before: Charge | None = story.charged
    for adjustment in story.adjustments:
        rows += _adjustment(before, adjustment)
        before = adjustment
    return rows or ["none"]


def _adjustment(before: Charge | None, adjustment: ChargeAdjusted) -> list[str]:
    """One later correction: by how much, why, line by line, and what it did to the balance. Rules G6 and C18."""
    why = _CORRECTIONS.get(adjustment.reason, adjustment.reason).format(
        real="real" if adjustment.receipt.real else "not real", ordinal=adjustment.ordinal or "out of the count"
    )
    amount, minutes = signed(adjustment.amount_micros, adjustment.currency), adjustment.receipt.minutes
    if isinstance(minutes, MinutesReceipt):
        changes = minutes_story.adjustment_rows(before, adjustment, minutes)
    else:
        changes = [line_row(line, adjustment.currency) for line in adjustment.lines]
    return [
        f"{amount} at {moment(adjustment.occurred_at)}: {why} ({adjustment.reason}, input {adjustment.caused_by})",
        *(f"  {row}" for row in (*changes, *_paid(adjustment))),
    ]


def _ledger(story: CallStory) -> list[str]:
    if not story.has_ledger:
        return ["no ledger entry of the account is in these facts"]
    return [
        f"{entry.entry_id}: {entry.kind} {signed(entry.amount_micros, entry.currency)},"
        f" balance {format_money(entry.balance_after_micros, entry.currency)} after"
        for entry in story.entries
    ] or ["no entry: the wallet did not move" if story.is_by_minutes else "no entry: nothing moved"]


def _inputs(story: CallStory) -> str:
    """The ids of the inputs that made the call's facts, in order, each once."""
    ids = [fact.caused_by for fact in (story.admitted, story.redirected) if fact is not None]
    for move in story.moves():
        ids += [*move.receipt.input_ids, move.caused_by]
    return ", ".join(dict.fromkeys(ids)) or "none"


def _check(story: CallStory) -> list[str]:
    """The recomputation from the receipt beside what was charged, and everything that does not add up."""
    latest, found = story.latest, faults(story)
    if latest is None:
        return ["nothing was charged, nothing to recompute"]
    recomputed = format_money(recompute(latest.receipt), latest.currency)
    charged = format_money(latest.receipt.amount_micros, latest.currency)
    rows = [f"recomputed: {recomputed}, " + ("the same" if recomputed == charged else f"NOT the {charged} charged")]
    if isinstance(latest.receipt.minutes, MinutesReceipt):
        rows.insert(0, minutes_story.recomputed_row(latest.receipt, latest.receipt.minutes))
    if found:
        return [*rows, *(f"DIFFERS: {fault}" for fault in found)]
    if story.adjustments:
        rows.append("charge and adjustments make what the call costs now")
    moved = "what the wallet paid and got back" if story.is_by_minutes else "the same amounts"
    return [*rows, f"the ledger moved by {moved}"] if story.has_ledger else rows
