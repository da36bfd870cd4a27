"""An account as the wallet agent keeps it: one small value, replaced as a whole by every change."""

import msgspec


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value kept in the table. Written as an array: a new field goes to the end and needs a default."""


class Card(Row, frozen=True, array_like=True):
    """A payment method. Only this much of a card is ever stored (rule M9)."""

    payment_method_id: str
    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Threshold(Row, frozen=True, array_like=True):
    """A low-balance threshold; `armed` once the balance has been above it since the last alert (rule P10)."""

    micros: int
    armed: bool = False


class RefillSetting(Row, frozen=True, array_like=True):
    """What the owner set for auto-refill (rule C13), and whether a decline has disarmed it (rule C14)."""

    threshold_micros: int
    enabled: bool = False
    amount_micros: int | None = None
    payment_method_id: str | None = None
    monthly_limit_micros: int | None = None
    armed: bool = True


class Refill(Row, frozen=True, array_like=True):
    """The one refill in flight, from its request until it is settled, paused or dropped.

    While it waits for a retry `retry_at_ms` is set and `payment_id` is the declined one. `declines` counts them.
    """

    refill_id: str
    amount_micros: int
    payment_id: str
    requested_at_ms: int
    period_start_ms: int
    declines: int = 0
    retry_at_ms: int | None = None
    unresolved_told: bool = False


class Period(Row, frozen=True, array_like=True):
    """What one billing period has seen. Half-open, `start_ms` included, `end_ms` not (rule G3).

    `counted_calls` are the real answered ones (rule P5), `open_calls` those admitted and not ended.
    `extra_calls_charged` counts the calls that cost an extra call now. Costs are net of adjustments;
    `refilled_micros` is requested and not declined (rule P8). `open_extra_calls` are the open ones that hold the
    price of an extra call, `unpaid_extra_calls` those that held it, have ended, and rank among the included ones for
    now (see agents/wallet/exposure.py).

    On a minutes plan `minutes_calls` are the counted calls and `used_ms` the time they use, in whole increments (rule
    M4). The `late_…` costs are changes to periods that were invoiced before: they go on this period's invoice, with
    `top_up_micros`, the purchases and refills that succeeded in it; `card_micros` is what it put on the card.
    """

    start_ms: int
    end_ms: int
    counted_calls: int = 0
    open_calls: int = 0
    extra_calls_charged: int = 0
    upgrade_hinted: bool = False
    inbound_micros: int = 0
    outbound_micros: int = 0
    web_micros: int = 0
    refilled_micros: int = 0
    limit_told: bool = False
    open_extra_calls: int = 0
    unpaid_extra_calls: int = 0
    minutes_calls: int = 0
    used_ms: int = 0
    late_inbound_micros: int = 0
    late_outbound_micros: int = 0
    late_web_micros: int = 0
    top_up_micros: int = 0
    card_micros: int = 0


class Hole(Row, frozen=True, array_like=True):
    """A refunded part of a lot: `micros` taken out of the lot that starts at `lot_start_micros` (see
    agents/wallet/lots.py).
    """

    lot_start_micros: int
    micros: int
    credited_at_ms: int


class Subscription(Row, frozen=True, array_like=True):
    """The term that is paid for, half-open, of `months` (rules M1 and M13), and its price for the whole of it when it
    began: a changed catalogue changes neither. `next_plan` takes effect when it is renewed (rule M7).
    """

    status: str
    term_start_ms: int
    term_end_ms: int
    months: int
    fee_micros: int
    next_plan: str | None = None


class Account(Row, frozen=True, array_like=True):
    """The account and its wallet. Money in micros of `currency`.

    `version` counts the changes, `newest_ms` is the greatest `occurred_at` accepted; `periods` are in order of time.
    `due_ms` is when its refill or its billing next waits for time to pass, 0 for never. `credited_micros` is all that
    was ever credited: with the balance it tells which credits are used (rule P13). `card_due_micros` is overage that
    the card has yet to be asked for (rule P14). `billing_due_ms` is when the next billing period ends that has an
    invoice, 0 for none so far.
    """

    currency: str
    time_zone: str
    plan: str
    opened_at_ms: int
    refill_setting: RefillSetting
    thresholds: tuple[Threshold, ...]
    version: int = 0
    changed_by: str = ""
    changed_at_ms: int = 0
    newest_ms: int = 0
    balance_micros: int = 0
    held_micros: int = 0
    open_calls: int = 0
    credited_micros: int = 0
    holes: tuple[Hole, ...] = ()
    features: tuple[str, ...] = ()
    redirect_to: str | None = None
    billing_email: str | None = None
    cards: tuple[Card, ...] = ()
    default_card: str | None = None
    refill: Refill | None = None
    refills: int = 0
    redirected_calls: int = 0
    ledger_entries: int = 0
    alerts: int = 0
    periods: tuple[Period, ...] = ()
    due_ms: int = 0
    subscription: Subscription | None = None
    card_due_micros: int = 0
    billing_due_ms: int = 0
