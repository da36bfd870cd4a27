"""The account snapshot that other systems display. Rules M12 and P18."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from agents.wallet.billing.subscription import CANCELLING, ENDED, has_term, is_over
from agents.wallet.funds.payment import reference_of
from agents.wallet.funds.refund import refundable_lots
from agents.wallet.owner.account import buyer_of
from agents.wallet.turn import Turn
from schemas.account import Account, Card, Period
from schemas.billing import Billing, PhoneNumber
from schemas.instant import format_instant, minutes
from schemas.money import round_half_up
from schemas.payment_rows import Payment
from schemas.plan import CreditsPlan, MinutesPlan
from schemas.rows import payment_key
from schemas.snapshots import (
    AccountSnapshot,
    AutoRefillView,
    PaymentMethodView,
    PendingPayment,
    PhoneNumberView,
    PlanChange,
    Subscription,
    Usage,
)

# A projection needs at least one part in this many of the period (rule M12).
_PROJECTED_FROM_PART = 20
_SWITCHES = ("appointment_booking", "extra_calls", "live_agent")


def take_snapshot(turn: Turn) -> AccountSnapshot:
    """The snapshot after the account's last change. `version` counts the changes: equal versions are equal states."""
    account, billing = turn.account, turn.billing
    period = turn.period(turn.now_ms)
    lists = _lists(turn.account_id, account, billing)
    return AccountSnapshot(
        id=f"{turn.account_id}/snapshot/{account.version}",
        account_id=turn.account_id,
        occurred_at=format_instant(account.changed_at_ms),
        caused_by=account.changed_by,
        version=account.version,
        plan=account.plan,
        plan_version=turn.view.catalogue.version,
        currency=account.currency,
        subscription=_subscription(account),
        balance_micros=account.balance_micros,
        held_micros=turn.held_micros,
        available_micros=turn.available_micros,
        features={switch: switch in account.features for switch in _SWITCHES},
        auto_refill=_auto_refill(account, period),
        usage=_usage(turn, period),
        card_due_micros=max(0, account.card_due_micros),
        carried_micros=turn.billing.carried_micros,
        open_calls=account.open_calls,
        time_zone=account.time_zone,
        alert_thresholds_micros=tuple([threshold.micros for threshold in account.thresholds]),
        payment_methods=lists.payment_methods,
        phone_numbers=lists.phone_numbers,
        refundable=refundable_lots(turn),
        pending_payments=_pending_payments(turn),
        billing_email=account.billing_email or UNSET,
        redirect_to=account.redirect_to or UNSET,
        plan_change=_plan_change(account),
        billing_details=buyer_of(account),
    )


def _auto_refill(account: Account, period: Period) -> AutoRefillView:
    """The owner's settings, and the refill that is in flight or waits for its retry. Rules C13, C14 and P8."""
    setting, refill = account.refill_setting, account.refill
    retry_at_ms = None if refill is None else refill.retry_at_ms
    return AutoRefillView(
        enabled=setting.enabled,
        amount_micros=setting.amount_micros,
        threshold_micros=setting.threshold_micros,
        payment_method_id=setting.payment_method_id,
        monthly_limit_micros=setting.monthly_limit_micros,
        spent_this_period_micros=period.refilled_micros,
        paused=not setting.armed,
        paused_reason=setting.paused_reason or None,
        in_flight=refill is not None and retry_at_ms is None,
        next_attempt_at=None if retry_at_ms is None else format_instant(retry_at_ms),
    )


def _subscription(account: Account) -> Subscription:
    """Rules G3, M1, M8 and P20."""
    running = account.subscription
    if running is None:
        return _NO_SUBSCRIPTION
    if running.status == ENDED:
        return _ENDED_SUBSCRIPTION
    end, start, fee_micros = format_instant(running.term_end_ms), None, None
    if has_term(running):
        start, fee_micros = format_instant(running.term_start_ms), running.fee_micros
    if running.status == CANCELLING:
        return Subscription(CANCELLING, None, start, fee_micros, end)
    return Subscription(running.status, end, start, fee_micros)


_NO_SUBSCRIPTION = Subscription("none", None, None, None)
_ENDED_SUBSCRIPTION = Subscription(ENDED, None, None, None)


def _plan_change(account: Account) -> PlanChange | UnsetType:
    """The change that waits for the end of the term. Rules M7 and M8."""
    running = account.subscription
    if running is None or running.next_plan is None or running.status == ENDED:
        return UNSET
    return PlanChange(running.next_plan, format_instant(running.term_end_ms))


class _Lists(NamedTuple):
    """The cards and numbers of an account, and their JSON (msgspec.Raw), which takes the place of the values."""

    cards: tuple[Card, ...]
    default_card: str | None
    numbers: tuple[PhoneNumber, ...]
    payment_methods: Any
    phone_numbers: Any


def _lists(account_id: str, account: Account, billing: Billing) -> _Lists:
    """The JSON of cards and numbers. They rarely change, and an account may have 32 and 64 of them, so they are encoded
    once and not at every call. What is remembered depends on the rows alone: it is compared with them each time.
    """
    cards, numbers = account.cards, billing.numbers
    if not cards and not numbers:
        return _NO_LISTS
    known = _remembered.get(account_id)
    if (
        known is not None
        and (known.numbers is numbers or known.numbers == numbers)
        and known.default_card == account.default_card
        and known.cards == cards
    ):
        return known
    if len(_remembered) >= _REMEMBERED_MAX:
        _remembered.clear()
    methods, phones = _encode(_payment_methods(account)), _encode(_phone_numbers(billing))
    lists = _remembered[account_id] = _Lists(cards, account.default_card, numbers, methods, phones)
    return lists


def _encode(views: Sequence[msgspec.Struct]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(views))


_NO_LISTS = _Lists((), None, (), _encode(()), _encode(()))
# Some 1 KB each for an account with a card and a number.
_REMEMBERED_MAX = 16_384
_remembered: dict[str, _Lists] = {}


def _payment_methods(account: Account) -> list[PaymentMethodView]:
    """The cards in the order in which they were added. Rule P15."""
    return [
        PaymentMethodView(
            payment_method_id=card.payment_method_id,
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            default=card.payment_method_id == account.default_card,
            blocked=bool(card.disputes),
        )
        for card in account.cards
    ]


def _phone_numbers(billing: Billing) -> list[PhoneNumberView]:
    """The numbers held. One that was removed stays in the row until its last invoice."""
    held = [phone for phone in billing.numbers if phone.removed_at_ms is None]
    return [PhoneNumberView(phone.number, phone.monthly_fee_micros) for phone in held]


def _pending_payments(turn: Turn) -> tuple[PendingPayment, ...]:
    """The payments without an answer, in order of request."""
    pending = []
    for payment_id in turn.view.unanswered(turn.account_id):
        payment = turn.get(payment_key(turn.account_id, payment_id), Payment)
        assert payment is not None, f"payment {payment_id!r} waits for an answer and has no row"
        pending.append((payment.requested_at_ms, payment_id, payment))
    return tuple(
        [
            PendingPayment(
                payment_id=payment_id,
                purpose=payment.purpose,
                amount_micros=payment.amount_micros,
                reference=reference_of(turn.account_id, payment),
                requested_at=format_instant(requested_at_ms),
            )
            for requested_at_ms, payment_id, payment in sorted(pending)
        ]
    )


def _usage(turn: Turn, period: Period) -> Usage:
    """Usage of the period that holds the later of the clock and the newest accepted input. Credits plans count calls,
    minutes plans count minutes. No minutes are included after the subscription has ended (rule M8).
    """
    plan = turn.plan
    over = is_over(turn.account.subscription, period.start_ms)
    pool = plan.included_ms if isinstance(plan, MinutesPlan) and not over else 0
    calls = period.counted_calls + period.minutes_calls
    elapsed_ms = _elapsed_ms(turn.now_ms, period)
    return Usage(
        period_start=format_instant(period.start_ms),
        period_end=format_instant(period.end_ms),
        calls_counted=calls,
        calls_included=plan.included_calls if isinstance(plan, CreditsPlan) else 0,
        minutes_used=minutes(period.used_ms),
        minutes_included=minutes(pool),
        minutes_remaining=minutes(max(0, pool - period.used_ms)),
        projected_minutes=_projected_minutes(elapsed_ms, period) if isinstance(plan, MinutesPlan) else None,
        projected_calls=_projected_calls(elapsed_ms, period, calls) if isinstance(plan, CreditsPlan) else None,
        cost_by_call_type_micros={
            "inbound": period.inbound_micros,
            "outbound": period.outbound_micros,
            "web": period.web_micros,
        },
    )


def _elapsed_ms(now_ms: int, period: Period) -> int:
    """How much of the period has passed, 0 where that is too little to project from. Rule M12."""
    elapsed_ms = now_ms - period.start_ms
    return elapsed_ms if elapsed_ms * _PROJECTED_FROM_PART >= period.end_ms - period.start_ms else 0


def _projected_minutes(elapsed_ms: int, period: Period) -> int | float | None:
    """Minutes by the end of the period at the rate so far, None early in the period. Rule M12."""
    return minutes(period.used_ms * (period.end_ms - period.start_ms), elapsed_ms) if elapsed_ms else None


def _projected_calls(elapsed_ms: int, period: Period, calls: int) -> int | None:
    """Whole calls by the end of the period at the rate so far, None early in the period. Rule M12."""
    if not elapsed_ms:
        return None
    return round_half_up(calls * (period.end_ms - period.start_ms), elapsed_ms) // elapsed_ms
