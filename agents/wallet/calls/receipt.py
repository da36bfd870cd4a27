"""Emits charges and adjustments, with the receipt that explains them. Rule G11."""

from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import UNSET

from agents.wallet.calls.legs import in_order
from agents.wallet.rating.credits import difference
from agents.wallet.rating.minutes import minutes_receipt
from agents.wallet.turn import Turn
from schemas.call import Call, Leg, billable_ms, is_counted, is_real, reported_ms
from schemas.facts import CallCharged, ChargeAdjusted, LegReceipt, Line, Receipt, call_in_id
from schemas.instant import format_instant, minutes
from schemas.plan import AnyPlan, CreditsPlan, MinutesPlan

Lines = tuple[Line, ...]


class Paid(NamedTuple):
    """How much of a charge or an adjustment the wallet pays, and how much the card. Rule M5."""

    wallet_micros: int
    card_micros: int


class RatedCharge(NamedTuple):
    """The whole charge of a call as it now stands, and who pays the change."""

    lines: Lines
    unrounded_micros: int
    paid: Paid


# Every charge of a period contains its start.
_format_boundary = lru_cache(maxsize=4096)(format_instant)


def emit_charge(turn: Turn, call_id: str, call: Call, plan: AnyPlan, charge: RatedCharge) -> None:
    """Emit the call's charge and take the wallet's part from the balance. Rules C1, M5 and P4."""
    turn.emit(
        CallCharged(
            id=charge_id(turn.account_id, call_id),
            lines=charge.lines,
            **_fields(turn, call_id, call, plan, charge.paid),
            receipt=_receipt(call, plan, charge, _input_ids(call)),
        )
    )
    turn.move(-charge.paid.wallet_micros, "charge", call_in_id(call_id), by_call=True)


def emit_adjustment(
    turn: Turn, call_id: str, call: Call, plan: AnyPlan, charge: RatedCharge, earlier: Lines, reason: str
) -> None:
    """Emit the difference between two charges of a call and move the balance by the wallet's part. `earlier` are the
    lines of the previous charge.
    """
    turn.emit(
        ChargeAdjusted(
            id=f"{turn.account_id}/{call_in_id(call_id)}/adjusted/{call.adjustments}",
            adjusts=charge_id(turn.account_id, call_id),
            reason=reason,
            lines=difference(earlier, charge.lines),
            **_fields(turn, call_id, call, plan, charge.paid),
            receipt=_receipt(call, plan, charge, (*_input_ids(call), turn.cause)),
        )
    )
    turn.move(-charge.paid.wallet_micros, "adjustment", call_in_id(call_id), by_call=True)


def charge_id(account_id: str, call_id: str) -> str:
    return f"{account_id}/{call_in_id(call_id)}/charged"


def _fields(turn: Turn, call_id: str, call: Call, plan: AnyPlan, paid: Paid) -> dict[str, Any]:
    """The fields that a charge and an adjustment have in common."""
    end = call.end
    assert end is not None
    balance_micros = turn.account.balance_micros
    rated = call.rated
    fields: dict[str, Any] = {
        **turn.common,
        "call_id": call_id,
        "amount_micros": paid.wallet_micros + paid.card_micros,
        "currency": turn.account.currency,
        "wallet_micros": paid.wallet_micros,
        "card_micros": paid.card_micros,
        "balance_before_micros": balance_micros,
        "balance_after_micros": balance_micros - paid.wallet_micros,
        "plan": call.plan,
        "plan_version": call.plan_version,
        "direction": end.direction,
        "period_start": _format_boundary(call.period_start_ms),
        "ordinal": call.ordinal or UNSET,
        "billable_ms": billable_ms(end, plan.longest_call_ms),
    }
    if reported_ms(end) > plan.longest_call_ms and is_counted(call):
        fields["reported_ms"] = reported_ms(end)
    if rated is not None:
        fields["minutes_before"] = minutes(rated.before_ms)
        fields["minutes_after"] = minutes(rated.before_ms + rated.used_ms)
    return fields


def _receipt(call: Call, plan: AnyPlan, charge: RatedCharge, input_ids: tuple[str, ...]) -> Receipt:
    end = call.end
    assert end is not None
    details = call.details
    return Receipt(
        lines=charge.lines,
        unrounded_micros=charge.unrounded_micros,
        amount_micros=call.charged_micros,
        cap_micros=plan.cap_micros if isinstance(plan, CreditsPlan) else UNSET,
        charge_quantum_micros=plan.charge_quantum_micros,
        calls_included=plan.included_calls if isinstance(plan, CreditsPlan) else UNSET,
        started_at=format_instant(end.started_at_ms),
        answered_at=None if end.answered_at_ms is None else format_instant(end.answered_at_ms),
        ended_at=format_instant(end.ended_at_ms),
        outcome=end.outcome,
        real=is_real(call),
        gate=call.gate,
        features_active=call.features,
        features_used=end.features,
        input_ids=tuple(dict.fromkeys(input_ids)),
        minutes=minutes_receipt(plan, call) if isinstance(plan, MinutesPlan) else UNSET,
        legs=tuple(map(_leg_receipt, in_order(details.legs))) if details is not None and details.legs else UNSET,
        longest_call_ms=plan.longest_call_ms if reported_ms(end) > plan.longest_call_ms else UNSET,
    )


def _leg_receipt(leg: Leg) -> LegReceipt:
    end = leg.end
    assert end is not None
    return LegReceipt(
        leg_id=leg.leg_id or UNSET,
        direction=end.direction,
        started_at=format_instant(end.started_at_ms),
        answered_at=None if end.answered_at_ms is None else format_instant(end.answered_at_ms),
        ended_at=format_instant(end.ended_at_ms),
        outcome=end.outcome,
        real=end.real,
        features_used=end.features,
    )


def _input_ids(call: Call) -> tuple[str, ...]:
    """The ids of the call's start and first end, of the ends in force, and of the reclassification in force."""
    reclassification, details = call.reclassification, call.details
    if reclassification is None and details is None:
        return call.input_ids
    ids = list(call.input_ids)
    if details is not None:
        ids += [end_id for end_id in (details.end_id, *(leg.end_id for leg in details.legs)) if end_id]
    if reclassification is not None:
        ids.append(reclassification.input_id)
    return tuple(ids)
