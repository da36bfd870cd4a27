"""The effect of one input on one account. Only this module knows which rule belongs to which input."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from agents.wallet.billing.bills import apply_bill_answer
from agents.wallet.billing.overage import apply_overage_answer
from agents.wallet.billing.subscription import cancel_subscription, change_plan, open_subscription, resume_subscription
from agents.wallet.calls.charge import end_call, reclassify_call
from agents.wallet.calls.gate import redirect_unknown_account, start_call
from agents.wallet.calls.upgrade_hint import check_upgrade_hint
from agents.wallet.funds.alerts import check_thresholds, end_redirect_episode, set_thresholds
from agents.wallet.funds.payment import emit_receipt
from agents.wallet.funds.purchase import (
    apply_purchase_answer,
    apply_refund_answer,
    grant_credits,
    request_purchase,
    request_refund,
)
from agents.wallet.funds.refill import (
    decline_refill,
    evaluate_refill,
    next_refill_check_ms,
    set_auto_refill,
    succeed_refill,
)
from agents.wallet.owner import account as accounts
from agents.wallet.owner.cards import add_card, default_card, remove_card
from agents.wallet.owner.phone_numbers import add_number, remove_number
from agents.wallet.turn import Decision, Effect, Refusal, Turn, View
from schemas import inputs
from schemas.account import Account
from schemas.call import Call
from schemas.rows import Payment, SeenInput, call_key, payment_key, seen_key


def decide(view: View, event: inputs.AnyInput, now_ms: int | None, *, check_time: bool = True) -> Decision | Refusal:
    """Decide on an input: facts and changed rows, a recognised repeat, or a refusal (rule G10). The checks run in the
    order of rule X1.

    `now_ms` is what `future_time` is checked against, None where it is not checked (rule G2). Without `check_time` the
    input's time is not checked at all: a rebuild reads from the dead letters which inputs were refused for it.
    """
    refusal = _check_future(view, event, now_ms) if check_time else None
    if refusal is not None:
        return refusal
    account = view.get(event.account_id)
    if account is None:
        return _decide_without_account(view, event)
    refusal = _check_late(view, event) if check_time else None
    if refusal is not None:
        return refusal
    if view.is_seen(event.account_id, event.id):
        return Decision(repeat=True)
    assert isinstance(account, Account)
    turn = Turn(view, event.account_id, account, event.id, int(event.occurred_at_ms), view.clock_ms)
    effect = _RULES[type(event)](turn, event)
    if effect is Effect.APPLIED:
        return _accept(turn, event)
    return effect if isinstance(effect, Refusal) else Decision(repeat=True)


def _check_future(view: View, event: inputs.AnyInput, now_ms: int | None) -> Refusal | None:
    """Refuse an input that is too far ahead of now. Rules G2 and P17."""
    if now_ms is None or event.occurred_at_ms - now_ms <= view.catalogue.rules.future_tolerance_ms:
        return None
    ahead_ms = event.occurred_at_ms - now_ms
    return Refusal("future_time", f"`occurred_at` is {ahead_ms} ms ahead of now: correct the sender's clock")


def _check_late(view: View, event: inputs.AnyInput) -> Refusal | None:
    """Refuse an input about a call that is past the correction horizon. Rules G2, G4 and P17."""
    if view.clock_ms is None:
        return None
    horizon_ms = view.catalogue.rules.correction_horizon_ms
    call_ms = _call_time_ms(view, event)
    if call_ms is not None and view.clock_ms - call_ms > horizon_ms:
        age_ms = view.clock_ms - call_ms
        return Refusal("too_late", f"the call is {age_ms} ms old: calls are corrected for {horizon_ms} ms")
    return None


# A tuple: a union would be built again for each input.
_CALLS = (inputs.CallStarted, inputs.CallEnded)


def _call_time_ms(view: View, event: inputs.AnyInput) -> int | None:
    """When the call of this input ended, or started for a `call-started`; None when the input is about no call."""
    if isinstance(event, _CALLS):
        return event.occurred_at_ms
    if not isinstance(event, inputs.CallReclassified):
        return None
    call = view.get(call_key(event.account_id, event.call_id))
    if isinstance(call, Call) and call.end is not None:
        return call.end.ended_at_ms
    # The call is unknown or has not ended: the reclassification has only its own time.
    return event.occurred_at_ms


def _decide_without_account(view: View, event: inputs.AnyInput) -> Decision | Refusal:
    if not isinstance(event, inputs.CallStarted | inputs.AccountOpened):
        return Refusal("unknown_account", "`account_id` names no account: send `account-opened` first")
    if view.is_seen(event.account_id, event.id):
        return Decision(repeat=True)
    if isinstance(event, inputs.CallStarted):
        return redirect_unknown_account(view, event)
    account = accounts.open_account(view, event)
    if isinstance(account, Refusal):
        return account
    turn = Turn(view, event.account_id, account, event.id, int(event.occurred_at_ms), view.clock_ms)
    open_subscription(turn)
    return _accept(turn, event)


def _refuse_second_opening(_turn: Turn, _event: inputs.AnyInput) -> Refusal:
    return Refusal("account_exists", "`account_id` names an account that is open")


def _apply_payment_answer(turn: Turn, event: inputs.PaymentSucceeded | inputs.PaymentDeclined) -> Effect | Refusal:
    """Apply the provider's answer to a payment. A second answer is a repeat. Rule P7."""
    payment = turn.get(payment_key(turn.account_id, event.payment_id), Payment)
    if payment is None:
        return Refusal("unknown_payment", "`payment_id` names no payment that was requested for the account")
    if payment.status != "requested":
        return Effect.REPEAT
    declined = event.reason if isinstance(event, inputs.PaymentDeclined) else None
    if payment.purpose == "purchase":
        apply_purchase_answer(turn, event.payment_id, payment, declined)
    elif payment.purpose == "refund":
        apply_refund_answer(turn, event.payment_id, payment, declined)
    elif payment.purpose == "overage":
        apply_overage_answer(turn, event.payment_id, payment, declined)
    elif payment.purpose != "refill":
        apply_bill_answer(turn, event.payment_id, payment, event)
    elif isinstance(event, inputs.PaymentDeclined):
        decline_refill(turn, payment, event)
    else:
        succeed_refill(turn, event.payment_id, payment)
    if isinstance(event, inputs.PaymentSucceeded) and payment.purpose != "refund":
        emit_receipt(turn, event.payment_id, payment, event.provider_reference)
    return Effect.APPLIED


# The rule of each input, for an account that exists. A rule that refuses its input, or recognises a repeat, changes
# nothing.
_RULES: dict[type[inputs.Input], Callable[[Turn, Any], Effect | Refusal]] = {
    inputs.CallStarted: start_call,
    inputs.CallEnded: end_call,
    inputs.CallReclassified: reclassify_call,
    inputs.AccountOpened: _refuse_second_opening,
    inputs.FeatureSet: accounts.set_feature,
    inputs.RedirectSet: accounts.set_redirect,
    inputs.BillingEmailSet: accounts.set_billing_email,
    inputs.AutoRefillSet: set_auto_refill,
    inputs.AlertThresholdsSet: set_thresholds,
    inputs.CreditsPurchaseRequested: request_purchase,
    inputs.CreditsGranted: grant_credits,
    inputs.CreditsRefundRequested: request_refund,
    inputs.PaymentMethodAdded: add_card,
    inputs.PaymentMethodRemoved: remove_card,
    inputs.PaymentMethodDefaulted: default_card,
    inputs.PaymentSucceeded: _apply_payment_answer,
    inputs.PaymentDeclined: _apply_payment_answer,
    inputs.PlanChangeRequested: change_plan,
    inputs.SubscriptionCancelRequested: cancel_subscription,
    inputs.SubscriptionResumeRequested: resume_subscription,
    inputs.PhoneNumberAdded: add_number,
    inputs.PhoneNumberRemoved: remove_number,
    inputs.TaxRateSet: accounts.set_tax_rate,
}


def _accept(turn: Turn, event: inputs.AnyInput) -> Decision:
    """Remember the input's id and finish the turn. Rule G4: the id and its effect are committed together."""
    if not turn.keeps_id:
        horizon_ms = turn.view.catalogue.rules.correction_horizon_ms
        seen = SeenInput(turn.now_ms + horizon_ms + 1)
        turn.rows[seen_key(turn.account_id, event.id)] = seen
    return finish(turn)


def finish(turn: Turn) -> Decision:
    """Evaluate redirects, balance thresholds and refill once, after everything that the input did (rule P21); then
    write the account.
    """
    if turn.extra_call_periods:
        check_upgrade_hint(turn)
    if turn.account.redirected_calls:
        end_redirect_episode(turn)
    check_thresholds(turn)
    evaluate_refill(turn)
    account = turn.account
    turn.rows[turn.account_id] = replace(
        account,
        version=account.version + 1,
        changed_by=turn.cause,
        changed_at_ms=turn.at_ms,
        newest_ms=turn.newest_ms,
        periods=turn.periods,
        due_ms=_next_due_ms(turn),
        ticks_from_ms=0 if turn.clock_ms is None else turn.clock_ms + (turn.due_ms is None),
    )
    return Decision(turn.rows, turn.facts)


def _next_due_ms(turn: Turn) -> int:
    """When a tick must evaluate the account again, 0 for never. Rule G2."""
    refill_ms, billing_ms = next_refill_check_ms(turn), turn.account.billing_due_ms
    return min(refill_ms, billing_ms) if refill_ms and billing_ms else refill_ms or billing_ms
