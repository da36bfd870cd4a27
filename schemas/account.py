"""The account row of the wallet agent: one small value that every change replaces as a whole."""

import msgspec


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A row of the table. It is written as an array: add new fields at the end, with a default.

    A row with a field that this version does not know is refused: it would lose the field when it is written again.
    """


class Dispute(Row, frozen=True, array_like=True):
    """Disputes of one payment that are not won: `open_micros` is what was disputed less what was won (rule R7)."""

    payment_id: str
    open_micros: int


class Card(Row, frozen=True, array_like=True):
    """A payment method. Nothing else of a card is ever stored (rule M9).

    While it has `disputes` it is blocked: the engine does not charge it by itself (rule R7).
    """

    payment_method_id: str
    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    disputes: tuple[Dispute, ...] = ()


class Threshold(Row, frozen=True, array_like=True):
    """A low-balance threshold. It is `armed` when the balance was above it after its last alert (rule P10)."""

    micros: int
    armed: bool = False


class RefillSetting(Row, frozen=True, array_like=True):
    """The owner's auto-refill settings (rule C13). It is paused while not `armed`, for `paused_reason`: a decline (rule
    C14) or a reversal (rule R6); rows of earlier versions have no reason.
    """

    threshold_micros: int
    enabled: bool = False
    amount_micros: int | None = None
    payment_method_id: str | None = None
    monthly_limit_micros: int | None = None
    armed: bool = True
    paused_reason: str = ""


class Refill(Row, frozen=True, array_like=True):
    """The refill in flight, from its request until it is credited, paused or dropped. There is at most one.

    While it waits for a retry, `retry_at_ms` is set and `payment_id` is the declined payment. `declines` counts the
    declines.
    """

    refill_id: str
    amount_micros: int
    payment_id: str
    requested_at_ms: int
    period_start_ms: int
    declines: int = 0
    retry_at_ms: int | None = None
    unresolved_alerted: bool = False


class Use(Row, frozen=True, array_like=True):
    """What stands behind the usage line of one call type on an invoice: its quantity and its rate (rule B8).

    Of credits plans `calls` counts the calls that cost something. Of minutes plans `beyond_ms` is the time beyond the
    included minutes; `rate_micros` is its price a minute: RATE_OF_NOTHING where it is free, SEVERAL_RATES when calls
    had different ones, 0 without such calls. Corrections count with their sign. The two costs sum to the line, unless
    an earlier version counted a part of it.
    """

    calls: int = 0
    calls_micros: int = 0
    beyond_ms: int = 0
    beyond_micros: int = 0
    rate_micros: int = 0


SEVERAL_RATES = -1
RATE_OF_NOTHING = -2


class ExtraCalls(Row, frozen=True, array_like=True):
    """Calls of one period and of one plan version that were admitted with the price of an extra call held (rule C9).

    `open` are open and do not count yet. `unpaid` have ended, rank among the included calls for now, and cost less than
    the cap.
    """

    plan: str
    plan_version: int
    open: int = 0
    unpaid: int = 0


class Period(Row, frozen=True, array_like=True):
    """The counters of one billing period. Half-open: `start_ms` is included, `end_ms` is not (rule G3).

    `counted_calls` are the real answered calls (rule P5), `open_calls` the admitted calls that are open and do not
    count yet: a call counts once, however many legs it has (rule L5).
    `extra_calls_charged` counts the calls that are charged as extra calls now. Costs include all adjustments.
    `refilled_micros` is what refills requested and no provider declined (rule P8). `open_extra_calls` are the open
    calls that hold the price of an extra call. `unpaid_extra_calls` held it, have ended, and rank among the included
    calls for now (see agents/wallet/rating/credits.py).

    On a minutes plan `minutes_calls` are the counted calls and `used_ms` is the time they use, in whole increments
    (rule M4). The `late_…` costs are changes to periods that are already invoiced; they go on this period's invoice.
    `card_micros` is the card's part of all overage on that invoice, and the `…_use` are the quantities behind it.
    `credited_micros` is what moved the wallet besides calls, `top_up_micros` the part of it that cards paid or got
    back (rules B2 and B7). `extra_calls` are `open_extra_calls`
    and `unpaid_extra_calls` by the terms of the calls (rule P0); a row of an earlier version may lack them.
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
    limit_alerted: bool = False
    open_extra_calls: int = 0
    unpaid_extra_calls: int = 0
    minutes_calls: int = 0
    used_ms: int = 0
    late_inbound_micros: int = 0
    late_outbound_micros: int = 0
    late_web_micros: int = 0
    top_up_micros: int = 0
    card_micros: int = 0
    extra_calls: tuple[ExtraCalls, ...] = ()
    credited_micros: int = 0
    inbound_use: Use | None = None
    outbound_use: Use | None = None
    web_use: Use | None = None


class Hole(Row, frozen=True, array_like=True):
    """A part of a lot that is cut out of the line of credits: `micros` of the lot that starts at `lot_start_micros`
    (see agents/wallet/funds/lots.py).

    Of these, `returned_micros` were given back to the lot and are unused. They stand beside the line, because the lot,
    `lot_micros` long, is used up on it.
    """

    lot_start_micros: int
    micros: int
    credited_at_ms: int
    returned_micros: int = 0
    lot_micros: int = 0


class Subscription(Row, frozen=True, array_like=True):
    """The current term: half-open, `months` long (rules M1 and M13), with the fee for the whole term as it was when the
    term began. A changed catalogue changes neither. `next_plan` applies at renewal (rule M7). Before the first billed
    period no term runs: the term is then empty and starts and ends where that period starts (rule G3).
    """

    status: str
    term_start_ms: int
    term_end_ms: int
    months: int
    fee_micros: int
    next_plan: str | None = None


class BillingDetails(Row, frozen=True, array_like=True):
    """The buyer on invoices, as the owner gave it (rule B9). Empty text means not given."""

    name: str = ""
    address: str = ""
    country: str = ""
    tax_id: str = ""


class Account(Row, frozen=True, array_like=True):
    """The account and its wallet. Money in micros of `currency`.

    `version` counts the changes, `newest_ms` is the greatest accepted `occurred_at`, and `periods` are in order of
    time. `due_ms` is when a tick must next evaluate the refill or the billing, 0 for never. `credited_micros` is the
    sum of all credits ever added; with the balance it determines which credits are used (rule P13). `card_due_micros`
    is overage that neither a request nor an invoice has taken over (rule P14); it is negative while a payment is asking
    for what a late success has paid already (rule P7). `billed_from_ms` is the start of the first billed period, 0 in
    rows of earlier versions (rule G3). `billing_due_ms` is the end of the next billing
    period that has an invoice, 0 for none so far. `ticks_from_ms` is the earliest tick that may still do timed work of
    the account: earlier ticks have done theirs (rule G2). `refundable_until_ms` is when the newest lot can no longer be
    refunded, 0 when there never was one.
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
    ticks_from_ms: int = 0
    billing_details: BillingDetails | None = None
    refundable_until_ms: int = 0
    billed_from_ms: int = 0
