"""Charges and adjustments as facts, with the receipt that explains them. Rule G11."""

from functools import lru_cache
from typing import Any

from msgspec import UNSET

from agents.wallet.price import difference
from agents.wallet.turn import Turn
from schemas.call import Call, is_real
from schemas.facts import CallCharged, ChargeAdjusted, Line, Receipt
from schemas.instant import format_instant
from schemas.plan import CreditsPlan

Lines = tuple[Line, ...]

# A period's start stands in every charge of the period.
_format_boundary = lru_cache(maxsize=4096)(format_instant)


def say_charge(turn: Turn, call_id: str, call: Call, plan: CreditsPlan, lines: Lines, unrounded_micros: int) -> None:
    """Publish the call's one charge and draw it from the wallet. Rules C1 and P4."""
    amount_micros = call.charged_micros
    turn.say(
        CallCharged(
            id=charge_id(turn.account_id, call_id),
            lines=lines,
            **_fields(turn, call_id, call, amount_micros),
            receipt=_receipt(call, plan, lines, unrounded_micros, (*call.input_ids, *_word(call))),
        )
    )
    turn.move(-amount_micros, "charge", call_id)


def say_adjustment(
    turn: Turn,
    call_id: str,
    before: Call,
    after: Call,
    plan: CreditsPlan,
    lines: tuple[Lines, Lines],
    unrounded_micros: int,
    reason: str,
) -> None:
    """Publish the difference between two charges of a call and move the wallet by it. `lines` are the earlier and the
    new.
    """
    changed_micros = after.charged_micros - before.charged_micros
    turn.say(
        ChargeAdjusted(
            id=f"{turn.account_id}/{call_id}/adjusted/{after.adjustments}",
            adjusts=charge_id(turn.account_id, call_id),
            reason=reason,
            lines=difference(*lines),
            **_fields(turn, call_id, after, changed_micros),
            receipt=_receipt(after, plan, lines[1], unrounded_micros, (*after.input_ids, *_word(after), turn.cause)),
        )
    )
    turn.move(-changed_micros, "adjustment", call_id)


def charge_id(account_id: str, call_id: str) -> str:
    return f"{account_id}/{call_id}/charged"


def _fields(turn: Turn, call_id: str, call: Call, amount_micros: int) -> dict[str, Any]:
    """What a charge and an adjustment have in common."""
    end = call.end
    assert end is not None
    balance_micros = turn.account.balance_micros
    answered_at_ms = end.answered_at_ms
    return {
        "account_id": turn.account_id,
        "occurred_at": turn.at,
        "caused_by": turn.cause,
        "call_id": call_id,
        "amount_micros": amount_micros,
        "currency": turn.account.currency,
        "wallet_micros": amount_micros,
        "card_micros": 0,
        "balance_before_micros": balance_micros,
        "balance_after_micros": balance_micros - amount_micros,
        "plan": call.plan,
        "plan_version": call.plan_version,
        "direction": end.direction,
        "period_start": _format_boundary(call.period_start_ms),
        "ordinal": call.ordinal or UNSET,
        "billable_ms": 0 if answered_at_ms is None else end.ended_at_ms - answered_at_ms,
    }


def _receipt(call: Call, plan: CreditsPlan, lines: Lines, unrounded_micros: int, input_ids: tuple[str, ...]) -> Receipt:
    end = call.end
    assert end is not None
    return Receipt(
        lines=lines,
        unrounded_micros=unrounded_micros,
        amount_micros=call.charged_micros,
        cap_micros=plan.cap_micros,
        charge_quantum_micros=plan.charge_quantum_micros,
        calls_included=plan.included_calls,
        started_at=format_instant(end.started_at_ms),
        answered_at=None if end.answered_at_ms is None else format_instant(end.answered_at_ms),
        ended_at=format_instant(end.ended_at_ms),
        outcome=end.outcome,
        real=is_real(call),
        gate=call.gate,
        features_active=call.features,
        features_used=end.features,
        input_ids=tuple(dict.fromkeys(input_ids)),
    )


def _word(call: Call) -> tuple[str, ...]:
    """The id of the reclassification that stands, if one does."""
    return () if call.reclassification is None else (call.reclassification.input_id,)
