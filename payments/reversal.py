"""Money of an answered payment that has moved again at the provider. Rules G14 and R1."""

from typing import Literal

import msgspec

Kind = Literal["dispute", "dispute_won", "refund", "refund_failed"]


class Reversal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One movement of a payment's money: `dispute` and `refund` take it from us, the other kinds return it to us.

    `reference` is the provider's id of the dispute or refund, with a number where one object took money more than once:
    kind and reference together name the movement. `amount_micros` is above 0 and at most the payment. `at_ms` is the
    provider's time, or the time of the look where the provider gives none.
    """

    kind: Kind
    reference: str
    amount_micros: int
    at_ms: int

    @property
    def name(self) -> tuple[str, str]:
        return self.kind, self.reference


class Looked(msgspec.Struct, frozen=True):
    """What a look at a payment found: every movement so far, oldest first, sent or not.

    `again_within_ms` is the longest pause before the next look; None: nothing is expected to change.
    """

    reversals: tuple[Reversal, ...] = ()
    again_within_ms: int | None = None


class Listed(msgspec.Struct, frozen=True):
    """The payments that the provider lists as disputed or refunded, also those of other partitions or of nobody."""

    payment_ids: frozenset[str] = frozenset()
