"""What Stripe's disputes and refunds mean for the money of a payment. Pure. Rules R1 and R2."""

from collections.abc import Iterator, Sequence

import msgspec

from payments.payment_state import PaymentState
from payments.providers.minor_units import micros
from payments.providers.stripe_objects import Refund
from payments.reversal import Kind, Looked, Reversal
from schemas.instant import DAY_MS, SECOND_MS

# A dispute in one of these has taken the money. An inquiry (`warning_…`) takes none; if it becomes a dispute, its
# status changes.
TAKING = frozenset({"needs_response", "under_review", "lost", "appeal_needs_response", "appeal_under_review"})
# Usually the last status of a dispute. An appeal may still follow.
CLOSED = frozenset({"won", "lost", "warning_closed", "prevented"})
# A refund fails within 30 days: https://docs.stripe.com/refunds#failed-refunds. Twice that, for slow banks.
MAY_FAIL_MS = 60 * DAY_MS
# The longest pause between two looks while something is open, and after everything is closed.
OPEN_PAUSE_MS, CLOSED_PAUSE_MS = DAY_MS, 7 * DAY_MS


class BalanceTransaction(msgspec.Struct, frozen=True):
    """A movement of our balance: below 0 it was withdrawn, above 0 reinstated. Its currency is that of the balance,
    which may not be the payment's.
    """

    amount: int
    currency: str
    created: int
    type: str = "adjustment"


class Dispute(msgspec.Struct, frozen=True):
    """`created` in seconds since 1970; amounts in minor units."""

    id: str
    status: str
    amount: int
    currency: str
    created: int
    balance_transactions: tuple[BalanceTransaction | str, ...] | None = None

    def moves(self, sign: int) -> list[BalanceTransaction]:
        """The withdrawals (`sign` -1) or reinstatements (1), without Stripe's fees."""
        given = (one for one in self.balance_transactions or () if isinstance(one, BalanceTransaction))
        found = [one for one in given if one.amount * sign > 0 and one.type != "stripe_fee"]
        return sorted(found, key=lambda one: one.created)


def look_at_charge(
    payment: PaymentState, disputes: Sequence[Dispute], refunds: Sequence[Refund], now_ms: int
) -> Looked:
    """Every movement of a payment's money since it succeeded. Refunds that the adapter made have rows of their own."""
    by_hand = [refund for refund in refunds if not refund.is_ours]
    found = [one for dispute in disputes for one in dispute_reversals(dispute, payment, now_ms)]
    found += [one for refund in by_hand for one in refund_reversals(refund, payment, now_ms)]
    # Stable: a dispute stays before its own end.
    found.sort(key=lambda one: one.at_ms)
    if any(one.status not in CLOSED for one in disputes) or any(may_change(one, now_ms) for one in by_hand):
        return Looked(tuple(found), OPEN_PAUSE_MS)
    return Looked(tuple(found), CLOSED_PAUSE_MS if disputes else None)


def look_at_own_refund(payment: PaymentState, refund: Refund, now_ms: int) -> Looked:
    """A refund that was answered as succeeded, and may have failed since."""
    if refund.has_failed:
        return Looked((Reversal("refund_failed", refund.id, payment.amount_micros, now_ms),))
    return Looked((), OPEN_PAUSE_MS if may_change(refund, now_ms) else None)


def may_change(refund: Refund, now_ms: int) -> bool:
    if refund.status == "succeeded":
        return now_ms - refund.created * SECOND_MS < MAY_FAIL_MS
    return not refund.has_failed


def dispute_reversals(dispute: Dispute, payment: PaymentState, now_ms: int) -> Iterator[Reversal]:
    """A dispute for each withdrawal, and a dispute won for each reinstatement, together at most what was withdrawn.

    Stripe may change the status before it lists the movement of our balance, so either is enough.
    """
    withdrawn, reinstated = dispute.moves(-1), dispute.moves(1)
    sent = sum(one.kind == "dispute" and _object_of(one.reference) == dispute.id for one in payment.reversals)
    taken = max(len(withdrawn), sent, int(dispute.status in TAKING))
    out_micros = 0
    for number in range(taken):
        move = withdrawn[number] if number < len(withdrawn) else None
        took = _moved(dispute, move, payment, dispute.created * SECOND_MS, "dispute", number)
        out_micros += took.amount_micros
        yield took
    for number in range(max(len(reinstated), taken if dispute.status == "won" else 0)):
        back = reinstated[number] if number < len(reinstated) else None
        won = _moved(dispute, back, payment, now_ms, "dispute_won", number)
        amount_micros = min(won.amount_micros, out_micros)
        out_micros -= amount_micros
        if amount_micros > 0:
            yield msgspec.structs.replace(won, amount_micros=amount_micros)


def refund_reversals(refund: Refund, payment: PaymentState, now_ms: int) -> Iterator[Reversal]:
    """A refund made at Stripe, and its failure. A failed one that never took money from our balance is neither."""
    amount_micros = _limited(micros(refund.amount, refund.currency), refund.currency, payment)
    sent = any(one.name == ("refund", refund.id) for one in payment.reversals)
    # Of a refund that failed, or has no status, the movement of our balance shows whether it took anything.
    shown = (refund.has_failed or refund.status is None) and refund.balance_transaction is not None
    took = refund.status in {"succeeded", "pending"} or shown
    if sent or took:
        yield Reversal("refund", refund.id, amount_micros, refund.created * SECOND_MS)
        if refund.has_failed:
            yield Reversal("refund_failed", refund.id, amount_micros, now_ms)


def _moved(
    dispute: Dispute, move: BalanceTransaction | None, payment: PaymentState, without_ms: int, kind: Kind, number: int
) -> Reversal:
    """The amount is that of the movement if its currency is the dispute's, otherwise the disputed amount."""
    units, at_ms = dispute.amount, without_ms
    if move is not None:
        at_ms = move.created * SECOND_MS
        units = abs(move.amount) if move.currency == dispute.currency else units
    amount_micros = _limited(micros(units, dispute.currency), dispute.currency, payment)
    return Reversal(kind, _reference(dispute.id, number), amount_micros, at_ms)


def _limited(amount_micros: int, currency: str, payment: PaymentState) -> int:
    """At most the payment: exchange rates may have made a dispute larger, and one in another currency is taken as the
    whole payment.
    """
    if currency.upper() != payment.currency:
        return payment.amount_micros
    return min(amount_micros, payment.amount_micros)


def _reference(object_id: str, number: int) -> str:
    """The object's id; a later movement of the same kind has its number too, because it is another movement."""
    return object_id if number == 0 else f"{object_id}/{number + 1}"


def _object_of(reference: str) -> str:
    return reference.partition("/")[0]
