"""The effect of one input on one account. Only this module knows which rule belongs to which input."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from agents.wallet.billing.subscription import cancel_subscription, change_plan, open_subscription, resume_subscription
from agents.wallet.billing.usage import count_funds
from agents.wallet.calls.charge import end_call, reclassify_call
from agents.wallet.calls.gate import redirect_unknown_account, start_call
from agents.wallet.calls.upgrade_hint import check_upgrade_hint
from agents.wallet.funds.alerts import check_thresholds, end_redirect_episode, set_thresholds
from agents.wallet.funds.answer import apply_payment_answer
from agents.wallet.funds.purchase import grant_credits, request_purchase
from agents.wallet.funds.refill import evaluate_refill, next_refill_check_ms, set_auto_refill
from agents.wallet.funds.refund import request_refund
from agents.wallet.funds.reversal import reverse_payment
from agents.wallet.owner import account as accounts
from agents.wallet.owner.cards import add_card, default_card, remove_card
from agents.wallet.owner.phone_numbers import add_number, remove_number
from agents.wallet.turn import Decision, Effect, Refusal, Turn, View
from schemas import inputs
from schemas.account import Account, Row
from schemas.call import Call
from schemas.period import first_instant, local_date
from schemas.rows import SeenInput, call_key, seen_key


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
    id_key = _id_key(event)
    if view.is_seen(id_key):
        return Decision(repeat=True)
    assert isinstance(account, Account)
    turn = Turn(view, event.account_id, account, event.id, int(event.occurred_at_ms), view.clock_ms)
    effect = _RULES[type(event)](turn, event)
    if effect is Effect.REPEAT:
        return _repeat(view, id_key, turn.now_ms, turn.rows)
    # Checked after the rule, whose decision is then dropped: a repeat of a call comes first (rule X1).
    refusal = _check_signup(account, event) if isinstance(event, _CALLS) else None
    if refusal is not None:
        return refusal
    return effect if isinstance(effect, Refusal) else _accept(turn, id_key)


def _id_key(event: inputs.AnyInput) -> str:
    """The key of the row that remembers the input's id, by its class. Rule G4."""
    return seen_key(event.account_id, event.id, signed=type(event) in inputs.SIGNED_INPUTS)


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
        return Refusal("too_late", f"the call is {age_ms} ms old: corrections are accepted for {horizon_ms} ms")
    return None


def _check_signup(account: Account, event: inputs.CallStarted | inputs.CallEnded) -> Refusal | None:
    """Refuse a call that started before the day of the signup: it belongs to no period that is billed. Rule G7."""
    started_ms = event.started_at_ms if isinstance(event, inputs.CallEnded) else event.occurred_at_ms
    if started_ms >= account.opened_at_ms:
        return None
    zone = account.time_zone
    if started_ms >= first_instant(local_date(account.opened_at_ms, zone), zone):
        return None
    return Refusal("before_account", "the call started before the day on which the account was opened")


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
    id_key = _id_key(event)
    if view.is_seen(id_key):
        return Decision(repeat=True)
    if isinstance(event, inputs.CallStarted):
        return redirect_unknown_account(event)
    account = accounts.open_account(view, event)
    if isinstance(account, Refusal):
        return account
    turn = Turn(view, event.account_id, account, event.id, int(event.occurred_at_ms), view.clock_ms)
    open_subscription(turn)
    return _accept(turn, id_key)


def _refuse_second_opening(_turn: Turn, _event: inputs.AnyInput) -> Refusal:
    return Refusal("account_exists", "`account_id` names an account that is already open")


# The rule of each input, for an account that exists. What a rule has changed counts only if it applied its input; of a
# repeat, only the rows that it wrote do (rule L5).
_RULES: dict[type[inputs.Input], Callable[[Turn, Any], Effect | Refusal]] = {
    inputs.CallStarted: start_call,
    inputs.CallEnded: end_call,
    inputs.CallReclassified: reclassify_call,
    inputs.AccountOpened: _refuse_second_opening,
    inputs.FeatureSet: accounts.set_feature,
    inputs.RedirectSet: accounts.set_redirect,
    inputs.BillingEmailSet: accounts.set_billing_email,
    inputs.BillingDetailsSet: accounts.set_billing_details,
    inputs.AutoRefillSet: set_auto_refill,
    inputs.AlertThresholdsSet: set_thresholds,
    inputs.CreditsPurchaseRequested: request_purchase,
    inputs.CreditsGranted: grant_credits,
    inputs.CreditsRefundRequested: request_refund,
    inputs.PaymentMethodAdded: add_card,
    inputs.PaymentMethodRemoved: remove_card,
    inputs.PaymentMethodDefaulted: default_card,
    inputs.PaymentSucceeded: apply_payment_answer,
    inputs.PaymentDeclined: apply_payment_answer,
    inputs.PaymentReversed: reverse_payment,
    inputs.PlanChangeRequested: change_plan,
    inputs.SubscriptionCancelRequested: cancel_subscription,
    inputs.SubscriptionResumeRequested: resume_subscription,
    inputs.PhoneNumberAdded: add_number,
    inputs.PhoneNumberRemoved: remove_number,
    inputs.TaxRateSet: accounts.set_tax_rate,
}


def _accept(turn: Turn, id_key: str) -> Decision:
    """Remember the input's id and finish the turn. Rule G4: the id and its effect are committed together."""
    if not turn.keeps_id:
        turn.rows[id_key] = _seen(turn.view, turn.now_ms) if turn.id_due_ms is None else SeenInput(turn.id_due_ms)
    return finish(turn)


def _repeat(view: View, id_key: str, now_ms: int, rows: dict[str, Row | None]) -> Decision:
    """Remember the id of a recognised repeat: its own redelivery must change nothing after a later input either. Rule
    P7. `rows` hold the one trace that a repeat may leave: that another leg of its call has started (rule L5).
    """
    return Decision({**rows, id_key: _seen(view, now_ms)}, repeat=True)


def _seen(view: View, now_ms: int) -> SeenInput:
    return SeenInput(now_ms + view.catalogue.rules.correction_horizon_ms + 1)


def finish(turn: Turn) -> Decision:
    """Evaluate redirects, balance thresholds and refill once, after everything that the input did (rule P21); then
    write the account.
    """
    if turn.funds_moved:
        count_funds(turn)
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
    dropped_plans = ((turn.account_id, turn.dropped_plan),) if turn.dropped_plan else ()
    return Decision(turn.rows, turn.facts, dropped_plans=dropped_plans)


def _next_due_ms(turn: Turn) -> int:
    """When a tick must evaluate the account again, 0 for never. Rule G2."""
    refill_ms, billing_ms = next_refill_check_ms(turn), turn.account.billing_due_ms
    return min(refill_ms, billing_ms) if refill_ms and billing_ms else refill_ms or billing_ms
