"""Charges ended calls, and corrects a charge when a later input changes the call. Rules G4 to G7, C18, P2 to P6."""

from msgspec.structs import replace

from agents.wallet.alert import to_operator
from agents.wallet.billing.usage import count_cost
from agents.wallet.calls.charge_minutes import charge_minutes
from agents.wallet.calls.gate import active_features
from agents.wallet.calls.holds import close_call, count_open, reduce_hold
from agents.wallet.calls.legs import Report, report_end
from agents.wallet.calls.ranking import rerank
from agents.wallet.calls.receipt import Paid, RatedCharge, emit_adjustment, emit_charge
from agents.wallet.rating.credits import price_call
from agents.wallet.turn import Effect, Refusal, Turn, forgotten_at_ms
from schemas.account import Use
from schemas.alerts import WARNING, CallOverlong
from schemas.call import UNGATED, Call, Details, End, Reclassification, is_counted, reported_ms
from schemas.facts import Line
from schemas.inputs import CallEnded, CallReclassified
from schemas.plan import CreditsPlan, MinutesPlan

_FREE = Use()


def end_call(turn: Turn, event: CallEnded) -> Effect | Refusal:
    """Charge an ended call, or adjust the charge if the call was charged from another end. Rules G4, G6 and L3."""
    before = turn.call(event.call_id) or Call()
    report = report_end(before, event, _end_of(event))
    if not isinstance(report, Report):
        return report
    first = before.end is None
    call = before if report.stays_open else close_call(turn, before)
    if first and not call.input_ids:
        call = replace(call, gate=UNGATED, features=active_features(turn))  # Rule P6: as if admitted now.
    if not call.plan:
        call = replace(call, plan=turn.account.plan, plan_version=turn.view.catalogue.version)
    turn.keeps_id = first
    end = report.end
    after = replace(
        call,
        input_ids=(*call.input_ids, event.id) if first else call.input_ids,
        end=end,
        started_at_ms=end.started_at_ms,
        period_start_ms=turn.period(end.started_at_ms).start_ms,
        due_ms=call.due_ms if call.open else max(call.due_ms, _forgotten_at_ms(turn, event, call)),
        details=report.details,
    )
    _charge_by_plan(turn, event.call_id, before, after, report.correction)
    if first and after.open:
        reduce_hold(turn, event.call_id)
    return Effect.APPLIED


def reclassify_call(turn: Turn, event: CallReclassified) -> Effect:
    """Remove a call from the count, or count it again. A repeat when a newer reclassification is in force. Rules C18
    and P5.
    """
    before = turn.call(event.call_id) or Call()
    new, old = Reclassification(int(event.occurred_at_ms), event.id, event.real), before.reclassification
    if old is not None and (old.occurred_at_ms, old.input_id) > (new.occurred_at_ms, new.input_id):
        return Effect.REPEAT
    after = replace(before, reclassification=new)
    if after.end is not None:
        _charge_by_plan(turn, event.call_id, before, after, "reclassified")
        return Effect.APPLIED
    if not after.input_ids:
        # Nothing else is known of the call: the reclassification waits one horizon for its end (rule P17).
        after = replace(after, due_ms=new.occurred_at_ms + turn.view.catalogue.rules.correction_horizon_ms + 1)
    turn.put_call(event.call_id, after)
    return Effect.APPLIED


def _forgotten_at_ms(turn: Turn, event: CallEnded, call: Call) -> int:
    return forgotten_at_ms(turn.view, max(int(event.occurred_at_ms), call.started_at_ms))


def _end_of(event: CallEnded) -> End:
    answered = event.answered_at_ms
    return End(
        started_at_ms=int(event.started_at_ms),
        answered_at_ms=None if answered is None else int(answered),
        ended_at_ms=int(event.occurred_at_ms),
        direction=event.direction,
        outcome=event.outcome,
        features=tuple(sorted(set(event.features))) if event.features else (),
        real=event.real is not False,
    )


def _charge_by_plan(turn: Turn, call_id: str, before: Call, after: Call, correction: str | None) -> None:
    """Charge a call by its own plan. `correction` is the reason of an adjustment, None for a first charge."""
    plan = turn.terms(after.plan, after.plan_version)
    if isinstance(plan, MinutesPlan):
        charge_minutes(turn, call_id, before, after, plan, correction)
    else:
        _charge_credits(turn, call_id, before, after, correction)
    assert after.end is not None
    if reported_ms(after.end) > plan.longest_call_ms and is_counted(after):
        _alert_overlong(turn, call_id, reported_ms(after.end))


def _alert_overlong(turn: Turn, call_id: str, whole_ms: int) -> None:
    """Ask a person to look at a call that was longer than its plan's longest call, once per call. Rule G7."""
    call = turn.call(call_id)
    assert call is not None
    details = call.details or Details()
    if details.overlong_alerted:
        return
    turn.put_call(call_id, replace(call, details=replace(details, overlong_alerted=True)))
    turn.emit(CallOverlong(**to_operator(turn, WARNING), call_id=call_id, reported_ms=whole_ms))


def _charge_credits(turn: Turn, call_id: str, before: Call, after: Call, correction: str | None) -> None:
    """Rank and charge the call, then adjust the calls that its arrival or removal moves across the end of the included
    calls. The call's own fact comes first, then the others by rank (rule P21).
    """
    ordinal, moved = rerank(turn, call_id, before, after)
    _charge(turn, call_id, before, after, ordinal, correction)
    for other_id, other_ordinal in moved:
        other = turn.call(other_id)
        assert other is not None, f"call {other_id!r} is ranked and has no row"
        _charge(turn, other_id, other, other, other_ordinal, "reranked")


def _charge(turn: Turn, call_id: str, before: Call, after: Call, ordinal: int, correction: str | None) -> None:
    """Charge what the call now costs minus what it was charged before. An adjustment of 0 is not emitted (rule P21)."""
    plan = turn.terms(after.plan, after.plan_version)
    assert isinstance(plan, CreditsPlan), f"call {call_id!r} is ranked, and its plan is not of credits"
    lines, unrounded_micros = price_call(plan, after, ordinal)
    amount_micros = sum([line.amount_micros for line in lines])
    extra_calls = _extra_calls(lines)
    after = replace(after, ordinal=ordinal, charged_micros=amount_micros)
    changed_micros = amount_micros - before.charged_micros
    charge = RatedCharge(lines, unrounded_micros, Paid(changed_micros, 0))
    if correction is None:
        _count_charge(turn, after, lines, 1)
        emit_charge(turn, call_id, after, plan, charge)
    else:
        earlier, _ = price_call(plan, before, before.ordinal)
        _count_charge(turn, before, earlier, -1)
        _count_charge(turn, after, lines, 1)
        if changed_micros:
            after = replace(after, adjustments=after.adjustments + 1)
            emit_adjustment(turn, call_id, after, plan, charge, earlier, correction)
    count_open(turn, before, after, plan)
    turn.put_call(call_id, after)
    if extra_calls:
        turn.extra_call_periods.append(after.period_start_ms)


def _extra_calls(lines: tuple[Line, ...]) -> int:
    return sum([line.kind == "extra_call" and line.amount_micros > 0 for line in lines])


def _count_charge(turn: Turn, call: Call, lines: tuple[Line, ...], sign: int) -> None:
    """Add a charge to the counters of its period, or subtract it: cost by call type and extra calls charged.

    Rules M12 and C16.
    """
    extra_calls = _extra_calls(lines)
    if not call.charged_micros and not extra_calls:
        return
    assert call.end is not None
    period = turn.period(call.started_at_ms)
    changed = {}
    if extra_calls:
        changed["extra_calls_charged"] = max(0, period.extra_calls_charged + sign * extra_calls)
    micros = sign * call.charged_micros
    use = Use(sign, micros) if micros else _FREE
    count_cost(turn, period, call.end.direction, use, **changed)
