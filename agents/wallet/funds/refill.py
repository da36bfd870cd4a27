"""Auto-refill: requested when the balance is low, retried when declined, paused when retries do not help.

Rules C13, C14, P8, P9, P19 and P20.
"""

from msgspec.structs import replace

from agents.wallet.billing.usage import count_top_up
from agents.wallet.funds.lots import credit_lot
from agents.wallet.funds.payment import DECLINED, SUCCEEDED, find_card, record_answer, request_payment
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Card, Refill
from schemas.facts import RefillDeclined, RefillPaused, RefillRequested, RefillSucceeded, RefillUnresolved
from schemas.inputs import AutoRefillSet, PaymentDeclined
from schemas.rows import Payment, Purchase, refill_key


def set_auto_refill(turn: Turn, event: AutoRefillSet) -> Effect | Refusal:
    """Apply the fields that the owner set, keep those left out, and arm auto-refill again. Rules C13, C14 and P9."""
    setting = turn.account.refill_setting
    amount_micros = setting.amount_micros if event.amount_micros is None else event.amount_micros
    if event.enabled and amount_micros is None:
        return Refusal("schema_invalid", "`amount_micros` is missing: auto-refill was never given an amount")
    if event.payment_method_id is not None and find_card(turn.account, event.payment_method_id) is None:
        return Refusal("unknown_payment_method", "`payment_method_id` names no payment method of the account")
    given = {
        name: value
        for name in ("amount_micros", "threshold_micros", "payment_method_id", "monthly_limit_micros")
        if (value := getattr(event, name)) is not None
    }
    turn.account = replace(turn.account, refill_setting=replace(setting, enabled=event.enabled, armed=True, **given))
    return Effect.APPLIED


def rearm(turn: Turn) -> None:
    """Let a paused auto-refill try again. A refill in flight is not affected. Rules C14 and P20."""
    if not turn.account.refill_setting.armed:
        turn.account = replace(turn.account, refill_setting=replace(turn.account.refill_setting, armed=True))


def refill_card(turn: Turn) -> Card | None:
    """The card that the owner chose for refills while the account has it, otherwise the default card."""
    chosen = turn.account.refill_setting.payment_method_id
    card = find_card(turn.account, chosen) if chosen is not None else None
    return card or find_card(turn.account, None)


def evaluate_refill(turn: Turn) -> None:
    """Check the balance after every input and tick of the account, and request a refill if one is due. Rule P8."""
    refill = turn.account.refill
    if refill is not None:
        _evaluate_refill_in_flight(turn, refill)
    if turn.account.refill is None and _needs_refill(turn):
        amount_micros = turn.account.refill_setting.amount_micros
        assert amount_micros is not None, "auto-refill is enabled without an amount"
        if _exceeds_limit(turn, amount_micros):
            _pause_for_limit(turn)
        else:
            _request(turn, None, amount_micros)


def _evaluate_refill_in_flight(turn: Turn, refill: Refill) -> None:
    """Retry a declined refill when its retry is due, and drop the retry when it is no longer possible. Rules C14 and
    P20.
    """
    if refill.retry_at_ms is None:
        _check_unresolved(turn, refill)
        return
    if not turn.account.refill_setting.enabled or refill_card(turn) is None:
        turn.account = replace(turn.account, refill=None)
        return
    if turn.due_ms is None or turn.due_ms < refill.retry_at_ms:
        return
    turn.account = replace(turn.account, refill=None)
    if _needs_refill(turn) and not _exceeds_limit(turn, refill.amount_micros):
        _request(turn, refill, refill.amount_micros)


def _check_unresolved(turn: Turn, refill: Refill) -> None:
    """Alert once when a refill has had no answer for too long. It stays in flight. Rule C14."""
    unresolved_at_ms = refill.requested_at_ms + turn.view.catalogue.rules.refill_unresolved_ms
    if refill.unresolved_alerted or turn.due_ms is None or turn.due_ms < unresolved_at_ms:
        return
    turn.account = replace(turn.account, refill=replace(refill, unresolved_alerted=True))
    turn.emit(
        RefillUnresolved(
            id=turn.next_alert_id(),
            **turn.common,
            refill_id=refill.refill_id,
            payment_id=refill.payment_id,
        )
    )


def _needs_refill(turn: Turn) -> bool:
    """Whether rule P8 calls for a refill, apart from the monthly limit and from a refill in flight."""
    setting = turn.account.refill_setting
    low = turn.account.balance_micros < setting.threshold_micros
    return setting.enabled and setting.armed and low and refill_card(turn) is not None


def _exceeds_limit(turn: Turn, amount_micros: int) -> bool:
    """Whether a refill of this amount would exceed the owner's monthly limit. Rules C14 and P8."""
    limit_micros = turn.account.refill_setting.monthly_limit_micros
    return limit_micros is not None and turn.period(turn.instant_ms).refilled_micros + amount_micros > limit_micros


def _pause_for_limit(turn: Turn) -> None:
    """Emit once per period that the monthly limit prevents a refill. Rule P8."""
    period = turn.period(turn.instant_ms)
    if not period.limit_alerted:
        turn.put_period(replace(period, limit_alerted=True))
        _emit_paused(turn, "monthly_limit", _next_id(turn))


def _request(turn: Turn, retried: Refill | None, amount_micros: int) -> None:
    card = refill_card(turn)
    assert card is not None
    if retried is None:
        refill_id, declines = _next_id(turn), 0
        turn.account = replace(turn.account, refills=turn.account.refills + 1)
    else:
        refill_id, declines = retried.refill_id, retried.declines
    payment_id = f"{refill_id}/{declines + 1}"
    period = turn.period(turn.instant_ms)
    turn.put_period(replace(period, refilled_micros=period.refilled_micros + amount_micros))
    refill = Refill(refill_id, amount_micros, payment_id, turn.instant_ms, period.start_ms, declines)
    turn.account = replace(turn.account, refill=refill)
    turn.rows[refill_key(turn.account_id, refill_id)] = Purchase(
        amount_micros, payment_id, card.payment_method_id, card.token
    )
    turn.emit(
        RefillRequested(
            id=f"{payment_id}/requested",
            **turn.common,
            refill_id=refill_id,
            payment_id=payment_id,
            amount_micros=amount_micros,
            currency=turn.account.currency,
            payment_method_id=card.payment_method_id,
        )
    )
    request_payment(turn, payment_id, "refill", refill_id, amount_micros, card)


def _next_id(turn: Turn) -> str:
    """The id of the next refill. A refill that the monthly limit prevents is reported under it too."""
    return f"{turn.account_id}/refill/{turn.account.refills + 1}"


def succeed_refill(turn: Turn, payment_id: str, payment: Payment) -> None:
    """Credit a paid refill immediately. The end of the turn checks the balance again. Rules C12 and C13."""
    key = refill_key(turn.account_id, payment.reference)
    purchase = turn.get(key, Purchase)
    assert purchase is not None, f"payment {payment_id!r} has no refill"
    record_answer(turn, payment_id, payment, SUCCEEDED)
    turn.account, turn.rows[key] = credit_lot(replace(turn.account, refill=None), purchase, turn.instant_ms)
    turn.emit(
        RefillSucceeded(
            id=f"{payment_id}/succeeded",
            **turn.common,
            refill_id=payment.reference,
            payment_id=payment_id,
            amount_micros=payment.amount_micros,
            currency=turn.account.currency,
        )
    )
    turn.move(payment.amount_micros, "refill", payment.reference)
    count_top_up(turn, payment.amount_micros)


def decline_refill(turn: Turn, payment: Payment, event: PaymentDeclined) -> None:
    """Schedule a retry of a decline that may pass; pause after a hard decline or the last retry. Rules C14 and P8."""
    refill = turn.account.refill
    assert refill is not None, f"payment {event.payment_id!r} answers no refill in flight"
    assert refill.payment_id == event.payment_id, "at most one refill is in flight"
    record_answer(turn, event.payment_id, payment, DECLINED)
    period = turn.period(refill.period_start_ms)
    turn.put_period(replace(period, refilled_micros=max(0, period.refilled_micros - refill.amount_micros)))
    turn.emit(
        RefillDeclined(
            id=f"{event.payment_id}/declined",
            **turn.common,
            refill_id=refill.refill_id,
            payment_id=event.payment_id,
            reason=event.reason,
        )
    )
    retries_ms = turn.view.catalogue.rules.refill_retries_ms
    if event.retryable and refill.declines < len(retries_ms):
        retry_at_ms = turn.instant_ms + retries_ms[refill.declines]
        waiting = replace(refill, declines=refill.declines + 1, retry_at_ms=retry_at_ms)
        turn.account = replace(turn.account, refill=waiting)
        return
    setting = replace(turn.account.refill_setting, armed=False)
    turn.account = replace(turn.account, refill=None, refill_setting=setting)
    _emit_paused(turn, "retries_exhausted" if event.retryable else "hard_decline", refill.refill_id)


def _emit_paused(turn: Turn, reason: str, refill_id: str) -> None:
    turn.emit(RefillPaused(id=turn.next_alert_id(), **turn.common, refill_id=refill_id, reason=reason))


def next_refill_check_ms(turn: Turn) -> int:
    """When a tick must evaluate this account's refill again, 0 for never. Rule G2."""
    refill = turn.account.refill
    if refill is not None and refill.retry_at_ms is not None:
        return refill.retry_at_ms
    if refill is not None:
        unresolved_at_ms = refill.requested_at_ms + turn.view.catalogue.rules.refill_unresolved_ms
        return 0 if refill.unresolved_alerted else unresolved_at_ms
    period = turn.period(turn.instant_ms)
    # Nothing is in flight and the balance still calls for a refill: only the monthly limit prevents it, until the
    # period ends.
    return period.end_ms if period.limit_alerted and _needs_refill(turn) else 0
