"""What one input does to one account: the only place that tells the inputs apart. Pure: state and input give the
decision.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from agents.wallet import account as accounts
from agents.wallet.alert import judge_balance, judge_redirects, set_thresholds
from agents.wallet.billing import add_number, remove_number, set_tax_rate
from agents.wallet.bills import finish_bill
from agents.wallet.cards import add_card, default_card, remove_card
from agents.wallet.charge import end_call, reclassify_call
from agents.wallet.gate import redirect_unknown_account, start_call
from agents.wallet.hint import judge_upgrade
from agents.wallet.overage import finish_overage
from agents.wallet.payment import say_receipt
from agents.wallet.purchase import finish_purchase, finish_refund, grant_credits, request_purchase, request_refund
from agents.wallet.refill import decline_refill, judge_refill, refill_due_ms, set_auto_refill, succeed_refill
from agents.wallet.subscription import cancel_subscription, change_plan, open_subscription, resume_subscription
from agents.wallet.turn import Decision, Refusal, Turn, View
from schemas import inputs
from schemas.account import Account
from schemas.call import Call
from schemas.rows import Payment, SeenInput, call_key, payment_key, seen_key


def decide(view: View, event: inputs.AnyInput) -> Decision | Refusal:
    """Facts and changed rows, or a recognised repeat, or a refusal: exactly one of them (rule G10)."""
    refusal = _check_time(view, event)
    if refusal is not None:
        return refusal
    if view.is_seen(event.account_id, event.id):
        return Decision(repeat=True)
    account = view.get(event.account_id)
    if account is None:
        return _decide_without_account(view, event)
    assert isinstance(account, Account)
    turn = Turn(view, event.account_id, account, event.id, int(event.occurred_at_ms))
    outcome = _RULES[type(event)](turn, event)
    if isinstance(outcome, Refusal):
        return outcome
    if outcome is False:
        return Decision(repeat=True)
    return _accept(turn, event)


def _check_time(view: View, event: inputs.AnyInput) -> Refusal | None:
    """Inputs from too far ahead of the clock, and those about calls that are past the correction horizon.

    Rules G4 and P17.
    """
    if view.clock_ms is None:
        return None
    rules = view.catalogue.rules
    ahead_ms = event.occurred_at_ms - view.clock_ms
    if ahead_ms > rules.future_tolerance_ms:
        return Refusal("future_time", f"`occurred_at` is {ahead_ms} ms ahead of the clock: mend the sender's clock")
    about_ms = _called_at_ms(view, event)
    if about_ms is not None and view.clock_ms - about_ms > rules.correction_horizon_ms:
        age_ms = view.clock_ms - about_ms
        horizon_ms = rules.correction_horizon_ms
        return Refusal("too_late", f"the call is {age_ms} ms old: calls are corrected for {horizon_ms} ms")
    return None


# A tuple, because a union would be made anew for each input.
_CALLS = (inputs.CallStarted, inputs.CallEnded)


def _called_at_ms(view: View, event: inputs.AnyInput) -> int | None:
    """When the call ended that the input is about (for a start: started); None when it is about no call."""
    if isinstance(event, _CALLS):
        return event.occurred_at_ms
    if not isinstance(event, inputs.CallReclassified):
        return None
    call = view.get(call_key(event.account_id, event.call_id))
    if isinstance(call, Call) and call.end is not None:
        return call.end.ended_at_ms
    # Of a call that is not known, or has not ended, its reclassification is the first word, with a time of its own.
    return event.occurred_at_ms


def _decide_without_account(view: View, event: inputs.AnyInput) -> Decision | Refusal:
    if isinstance(event, inputs.CallStarted):
        return redirect_unknown_account(view, event)
    if not isinstance(event, inputs.AccountOpened):
        return Refusal("unknown_account", "`account_id` names no account: send `account-opened` first")
    account = accounts.open_account(view, event)
    if isinstance(account, Refusal):
        return account
    turn = Turn(view, event.account_id, account, event.id, int(event.occurred_at_ms))
    open_subscription(turn)
    return _accept(turn, event)


def _refuse_second_opening(_turn: Turn, _event: inputs.AnyInput) -> Refusal:
    return Refusal("account_exists", "`account_id` names an account that is open")


def _finish_payment(turn: Turn, event: inputs.PaymentSucceeded | inputs.PaymentDeclined) -> bool | Refusal:
    """Take the provider's answer. A second one for the same payment is a repeat. Rule P7."""
    payment = turn.get(payment_key(turn.account_id, event.payment_id), Payment)
    if payment is None:
        return Refusal("unknown_payment", "`payment_id` names no payment that was requested for the account")
    if payment.status != "requested":
        return False
    declined = event.reason if isinstance(event, inputs.PaymentDeclined) else None
    if payment.purpose == "purchase":
        finish_purchase(turn, event.payment_id, payment, declined)
    elif payment.purpose == "refund":
        finish_refund(turn, event.payment_id, payment, declined)
    elif payment.purpose == "overage":
        finish_overage(turn, event.payment_id, payment, declined)
    elif payment.purpose != "refill":
        finish_bill(turn, event.payment_id, payment, event)
    elif isinstance(event, inputs.PaymentDeclined):
        decline_refill(turn, payment, event)
    else:
        succeed_refill(turn, event.payment_id, payment)
    if isinstance(event, inputs.PaymentSucceeded) and payment.purpose != "refund":
        say_receipt(turn, event.payment_id, payment, event.provider_reference)
    return True


# What each input does to an account that exists. False: a recognised repeat. A refusal: nothing was changed. Else: it
# took effect.
_RULES: dict[type[inputs.Input], Callable[[Turn, Any], bool | Refusal | None]] = {
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
    inputs.PaymentSucceeded: _finish_payment,
    inputs.PaymentDeclined: _finish_payment,
    inputs.PlanChangeRequested: change_plan,
    inputs.SubscriptionCancelRequested: cancel_subscription,
    inputs.SubscriptionResumeRequested: resume_subscription,
    inputs.PhoneNumberAdded: add_number,
    inputs.PhoneNumberRemoved: remove_number,
    inputs.TaxRateSet: set_tax_rate,
}


def _accept(turn: Turn, event: inputs.AnyInput) -> Decision:
    """Remember the input's id, and finish the turn. Rule G4: the record that it was seen and its effect are one."""
    if not turn.keeps_id:
        horizon_ms = turn.view.catalogue.rules.correction_horizon_ms
        seen = SeenInput(turn.now_ms + horizon_ms + 1)
        turn.rows[seen_key(turn.account_id, event.id)] = seen
    return finish(turn)


def finish(turn: Turn) -> Decision:
    """Judge once, after everything that the input did: redirects, low balance, refill (rule P21); then count the
    change.
    """
    if turn.extra_call_periods:
        judge_upgrade(turn)
    if turn.account.redirected_calls:
        judge_redirects(turn)
    judge_balance(turn)
    judge_refill(turn)
    account = turn.account
    turn.rows[turn.account_id] = replace(
        account,
        version=account.version + 1,
        changed_by=turn.cause,
        changed_at_ms=turn.at_ms,
        newest_ms=turn.newest_ms,
        periods=turn.periods,
        due_ms=_due_ms(turn),
    )
    return Decision(turn.rows, turn.facts)


def _due_ms(turn: Turn) -> int:
    """When a tick must look at the account again, 0 for never. Rule G2."""
    refill_ms, billing_ms = refill_due_ms(turn), turn.account.billing_due_ms
    return min(refill_ms, billing_ms) if refill_ms and billing_ms else refill_ms or billing_ms
