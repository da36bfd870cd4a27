"""Rows about money that a card paid or that was granted: purchases, payments and their lots. Keys: schemas/rows.py."""

from schemas.account import Row


class SeenGrant(Row, frozen=True, array_like=True):
    """A grant id, remembered for ever (rule P17)."""

    amount_micros: int


class Purchase(Row, frozen=True, array_like=True):
    """Credits bought by a purchase or a refill, remembered for ever (rule P17). `status` is requested, succeeded or
    declined, and the first four fields are those of its latest payment.

    `payments` credited it, in order: more than one when a declined payment succeeded late (rule P7). Each is a lot of
    its own (`Payment.lot`). Rows of earlier versions have the one lot in `credited_at_ms` and `lot_start_micros`
    instead. `refunds` counts the refunds requested, declined ones included.
    """

    amount_micros: int
    payment_id: str
    payment_method_id: str
    token: str
    status: str = "requested"
    credited_at_ms: int = 0
    lot_start_micros: int = 0
    refunds: int = 0
    payments: tuple[str, ...] = ()


class Lot(Row, frozen=True, array_like=True):
    """The credits that one payment added: where they begin on the line of all credits (see
    agents/wallet/funds/lots.py), and what our own refunds have given back of them, less what failed.

    `refund_cut_micros` and `reversal_cut_micros` are cut out of the lot itself: what our refunds, and what reversals,
    have taken of its unused part and not given back (rule R5).
    """

    start_micros: int
    credited_at_ms: int
    refunded_micros: int = 0
    refund_cut_micros: int = 0
    reversal_cut_micros: int = 0


class Payment(Row, frozen=True, array_like=True):
    """A card charge or refund that was requested. `purpose` is the contract's, `status` is as for a purchase, and
    `requested_at_ms` is the instant of the request, 0 in rows of earlier versions. `brand`, `last4` and `token` are
    those of the card at the request, empty in rows of earlier versions.

    `contradicted` is set once an answer has contradicted another (rule P7). `lot` are the credits that it added.
    `disputed_micros` and `refunded_micros` are what disputes and refunds at the provider took of it and did not give
    back (rule R1). Of one of our own refunds, `refund_of` is the payment that it gives back and `refunded_micros` what
    it has debited and not returned.

    `invoice` is the number of the invoice that the payment counts for (rules P14 and B4): of overage, the next one to
    be issued after the request; of a fee or a proration, 0 until its invoice is issued.
    """

    purpose: str
    reference: str
    amount_micros: int
    status: str = "requested"
    due_ms: int = 0
    payment_method_id: str = ""
    requested_at_ms: int = 0
    brand: str = ""
    last4: str = ""
    token: str = ""
    contradicted: bool = False
    lot: Lot | None = None
    disputed_micros: int = 0
    refunded_micros: int = 0
    refund_of: str = ""
    invoice: int = 0


class SeenReversal(Row, frozen=True, array_like=True):
    """A reversal to which the provider has given a reference: the same one is a repeat (rule R4)."""

    due_ms: int = 0


class RecentLots(Row, frozen=True, array_like=True):
    """The payments whose credits may still be refunded, in order of crediting, for the snapshot. Their ids stand here
    without the account's.
    """

    payments: tuple[str, ...] = ()
