"""Auto-refill: requested when the balance is low, retried when declined, paused when retries do not help.

Rules C13, C14, P8, P9, P19, P20 and R6.
"""

from msgspec import UNSET
from msgspec.structs import replace

from agents.wallet.alert import about_card, to_operator, to_owner
from agents.wallet.billing.subscription import is_running
from agents.wallet.funds.amounts import refuse_fraction, refuse_unpayable
from agents.wallet.funds.credit import credit_payment, credited_by
from agents.wallet.funds.payment import DECLINED, find_card, record_answer, request_payment, usable_card
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Card, Period, Refill
from schemas.alerts import CRITICAL, WARNING, RefillDeclined, RefillPaused, RefillUnresolved
from schemas.facts import RefillRequested, RefillSucceeded
from schemas.inputs import AutoRefillSet, PaymentDeclined
from schemas.instant import format_instant
from schemas.payment_rows import Payment, Purchase
from schemas.rows import refill_key


def set_auto_refill(turn: Turn, event: AutoRefillSet) -> Effect | Refusal:
    """Apply the fields that the owner set, keep those left out, and arm auto-refill again. A monthly limit of 0 removes
    the limit. Rules C13, C14, K4, P8 and P9.
    """
    setting = turn.account.refill_setting
    if event.payment_method_id is not None and find_card(turn.account, event.payment_method_id) is None:
        return Refusal("unknown_payment_method", "`payment_method_id` names no payment method of the account")
    refusal = _refuse_amounts(turn, event)
    if refusal is not None:
        return refusal
    if event.enabled and event.amount_micros is None and setting.amount_micros is None:
        return Refusal("schema_invalid", "`amount_micros` is missing: auto-refill was never given an amount")
    given = {
        name: value
        for name in ("amount_micros", "threshold_micros", "payment_method_id", "monthly_limit_micros")
        if (value := getattr(event, name)) is not None
    }
    if event.monthly_limit_micros == 0:
        given["monthly_limit_micros"] = None
    setting = replace(setting, enabled=event.enabled, armed=True, paused_reason="", **given)
    turn.account = replace(turn.account, refill_setting=setting)
    return Effect.APPLIED


def _refuse_amounts(turn: Turn, event: AutoRefillSet) -> Refusal | None:
    """Refuse an amount that no refill could request: a new one, or the kept one when auto-refill is enabled with it.
    Refuse a threshold or a limit that is a fraction of a minor unit. Rule K4.
    """
    kept_micros = turn.account.refill_setting.amount_micros if event.enabled else None
    amount_micros = kept_micros if event.amount_micros is None else event.amount_micros
    refusal = None if amount_micros is None else refuse_unpayable(turn, amount_micros)
    refusal = refusal or refuse_fraction(turn, "threshold_micros", event.threshold_micros)
    return refusal or refuse_fraction(turn, "monthly_limit_micros", event.monthly_limit_micros)


def rearm(turn: Turn) -> None:
    """Let a paused auto-refill try again. A refill in flight is not affected. Rules C14 and P20."""
    setting = turn.account.refill_setting
    if not setting.armed:
        turn.account = replace(turn.account, refill_setting=replace(setting, armed=True, paused_reason=""))


def pause_refill(turn: Turn, reason: str) -> None:
    """A reversal has taken money from the wallet: drop a waiting retry and pause an enabled auto-refill. A refill in
    flight keeps its answer. Rule R6.
    """
    setting, refill = turn.account.refill_setting, turn.account.refill
    if refill is not None and refill.retry_at_ms is not None:
        turn.account = replace(turn.account, refill=None)
    if setting.enabled and setting.armed:
        refill_id = _next_id(turn) if refill is None else refill.refill_id
        amount_micros = setting.amount_micros if refill is None else refill.amount_micros
        assert amount_micros is not None, "auto-refill is enabled without an amount"
        _disarm(turn, reason, refill_id, amount_micros)


def _disarm(turn: Turn, reason: str, refill_id: str, amount_micros: int, declined: Payment | None = None) -> None:
    setting = replace(turn.account.refill_setting, armed=False, paused_reason=reason)
    turn.account = replace(turn.account, refill_setting=setting)
    _emit_paused(turn, reason, refill_id, amount_micros, declined)


def refill_card(turn: Turn) -> Card | None:
    """The card that the owner chose for refills while the account has it and no dispute blocks it, otherwise the
    default card. Rule R7.
    """
    return usable_card(turn.account, turn.account.refill_setting.payment_method_id)


def evaluate_refill(turn: Turn) -> None:
    """Check the balance after every input and tick of the account, and request a refill if one is due. Rule P8."""
    refill = turn.account.refill
    if refill is not None:
        _evaluate_refill_in_flight(turn, refill)
    if turn.account.refill is None and _needs_refill(turn):
        amount_micros = turn.account.refill_setting.amount_micros
        assert amount_micros is not None, "auto-refill is enabled without an amount"
        if _exceeds_limit(turn, amount_micros):
            _pause_for_limit(turn, amount_micros)
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
            **to_operator(turn, CRITICAL),
            **about_card(turn, refill.amount_micros, refill.payment_id),
            refill_id=refill.refill_id,
            payment_id=refill.payment_id,
        )
    )


def _needs_refill(turn: Turn) -> bool:
    """Whether rule P8 calls for a refill, apart from the monthly limit and from a refill in flight."""
    setting = turn.account.refill_setting
    if not setting.enabled or not setting.armed or turn.account.balance_micros >= setting.threshold_micros:
        return False
    subscription = turn.account.subscription
    return (subscription is None or is_running(subscription)) and refill_card(turn) is not None


def _exceeds_limit(turn: Turn, amount_micros: int) -> bool:
    """Whether a refill of this amount would exceed the owner's monthly limit. Rules C14 and P8."""
    limit_micros = turn.account.refill_setting.monthly_limit_micros
    return limit_micros is not None and turn.period(turn.instant_ms).refilled_micros + amount_micros > limit_micros


def _pause_for_limit(turn: Turn, amount_micros: int) -> None:
    """Emit once per period that the monthly limit prevents a refill. Rule P8."""
    period = turn.period(turn.instant_ms)
    if not period.limit_alerted:
        turn.put_period(replace(period, limit_alerted=True))
        _emit_paused(turn, "monthly_limit", _next_id(turn), amount_micros)


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
    """Credit a paid refill immediately. The end of the turn checks the balance again. Rules C12 and C13.

    A success after a decline counts for the limit of the period of its request, and drops a retry that waits; one
    already requested keeps its own answer (rule P7).
    """
    refill = turn.account.refill
    if payment.status == DECLINED:
        _count_refilled(turn, turn.period(payment.requested_at_ms), payment.amount_micros)
    if refill is not None and (
        refill.payment_id == payment_id if refill.retry_at_ms is None else refill.refill_id == payment.reference
    ):
        turn.account = replace(turn.account, refill=None)
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
    credit_payment(turn, payment_id, payment)


def _count_refilled(turn: Turn, period: Period, micros: int) -> None:
    turn.put_period(replace(period, refilled_micros=max(0, period.refilled_micros + micros)))


def decline_refill(turn: Turn, payment: Payment, event: PaymentDeclined) -> None:
    """Schedule a retry of a decline that may pass; pause after a hard decline or the last retry. Rules C14 and P8.

    There is no retry of what another payment of the refill has paid late (rule P7), nor while auto-refill is paused
    (rule R6).
    """
    refill = turn.account.refill
    assert refill is not None, f"payment {event.payment_id!r} answers no refill in flight"
    assert refill.payment_id == event.payment_id, "at most one refill is in flight"
    record_answer(turn, event.payment_id, payment, DECLINED)
    _count_refilled(turn, turn.period(refill.period_start_ms), -refill.amount_micros)
    purchase = turn.get(refill_key(turn.account_id, refill.refill_id), Purchase)
    is_paid = purchase is not None and bool(credited_by(purchase))
    is_armed = turn.account.refill_setting.armed
    retries_ms = turn.view.catalogue.rules.refill_retries_ms
    is_retried = event.retryable and refill.declines < len(retries_ms) and is_armed and not is_paid
    retry_at_ms = turn.instant_ms + retries_ms[refill.declines] if is_retried else 0
    _emit_declined(turn, refill, payment, event, retry_at_ms)
    if retry_at_ms:
        waiting = replace(refill, declines=refill.declines + 1, retry_at_ms=retry_at_ms)
        turn.account = replace(turn.account, refill=waiting)
        return
    turn.account = replace(turn.account, refill=None)
    if is_armed and not (event.retryable and is_paid):
        reason = "retries_exhausted" if event.retryable else "hard_decline"
        _disarm(turn, reason, refill.refill_id, refill.amount_micros, payment)


def _emit_declined(turn: Turn, refill: Refill, payment: Payment, event: PaymentDeclined, retry_at_ms: int) -> None:
    turn.emit(
        RefillDeclined(
            **to_owner(turn, WARNING, f"{event.payment_id}/declined"),
            **about_card(turn, refill.amount_micros, payment),
            refill_id=refill.refill_id,
            payment_id=event.payment_id,
            reason=event.reason,
            retry_at=format_instant(retry_at_ms) if retry_at_ms else UNSET,
        )
    )


def _emit_paused(turn: Turn, reason: str, refill_id: str, amount_micros: int, declined: Payment | None = None) -> None:
    severity = WARNING if reason == "monthly_limit" else CRITICAL
    card = about_card(turn, amount_micros, declined)
    turn.emit(RefillPaused(**to_owner(turn, severity), **card, refill_id=refill_id, reason=reason))


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
