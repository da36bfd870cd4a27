"""The changes that one transaction of a partition commits: rows, answers to payments, and reversals. No Kafka."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from payments.adapter.listing import ListedTo
from payments.outcome import Declined, Outcome, Pending, Refused, Succeeded, Unknown
from payments.payment_state import (
    PaymentState,
    make_due,
    mark_declined,
    mark_look_due,
    mark_look_failed,
    mark_looked,
    mark_pending,
    mark_succeeded,
    mark_unknown,
    matches_request,
    open_payment,
)
from payments.request import UnreadableRequestError, read_request
from payments.reversal import Listed, Looked, Reversal
from schemas.batch import Record
from schemas.instant import parse_instant

# Events about money that has moved again: `charge.dispute.…`, `charge.refunded`, `charge.refund.updated`, `refund.…`.
REVERSAL_EVENTS = ("charge.dispute.", "charge.refund", "refund.")


class WebhookNote(msgspec.Struct, frozen=True):
    """Stripe has sent an event about a payment. A note only triggers an earlier status check; it moves no money."""

    payment_id: str
    account_id: str
    event: str

    @property
    def is_about_reversal(self) -> bool:
        return self.event.startswith(REVERSAL_EVENTS)


_notes = msgspec.json.Decoder(WebhookNote)


class Changes:
    """Uncommitted changes over the committed rows. `changed` holds the new rows by payment id, None for a row to drop.

    `answered` are the payments that these changes answer, each once, and `reversed` the reversals to send, each once.
    `listed` is the time up to which the provider's disputes and refunds are now known. `tally` counts by metric and
    label.
    """

    def __init__(self, rows: Mapping[str, PaymentState], now_ms: int) -> None:
        self.changed: dict[str, PaymentState | None] = {}
        self.answered: list[PaymentState] = []
        self.reversed: list[tuple[PaymentState, Reversal]] = []
        self.listed: ListedTo | None = None
        self.tally: Counter[tuple[str, str]] = Counter()
        self._rows, self._now_ms = rows, now_ms

    def get(self, payment_id: str) -> PaymentState | None:
        """The row with the changes so far."""
        if payment_id in self.changed:
            return self.changed[payment_id]
        return self._rows.get(payment_id)

    def add_request(self, record: Record, partition: int, partitions: int) -> str | None:
        """Open the requested payment, unless it is a repeat. Returns the problem to log, None if there is none."""
        try:
            request = read_request(record.key, record.value, partition, partitions)
        except UnreadableRequestError as error:
            self.tally["requests", "unreadable"] += 1
            return f"unreadable: {error}"
        known = self.get(request.payment_id)
        if known is None:
            self.tally["requests", "new"] += 1
            received_at_ms = min(record.timestamp, self._now_ms)
            self.changed[request.payment_id] = open_payment(request, received_at_ms, self._now_ms)
            return None
        self.tally["requests", "repeat"] += 1
        if matches_request(known, request):
            return None
        return "an earlier request with this payment id has other content: this one is not executed"

    def add_note(self, value: bytes | None) -> None:
        """Make the payment due if it is known: execution of an open one, and a look after a reversal's event. Anything
        else, also an unreadable note, is ignored.
        """
        try:
            note = _notes.decode(value or b"")
        except msgspec.MsgspecError:
            return
        payment = self.get(note.payment_id)
        if payment is None:
            return
        if payment.is_open:
            payment = self.changed[payment.payment_id] = make_due(payment, self._now_ms)
        if note.is_about_reversal:
            self._look_soon(payment)

    def add_listed(self, began_ms: int, listed: Listed) -> None:
        """Look at the listed payments of this partition. The provider's list is known up to when the listing began."""
        self.listed = ListedTo(began_ms)
        for payment_id in sorted(listed.payment_ids):
            payment = self.get(payment_id)
            if payment is not None:
                self._look_soon(payment)

    def add_look(self, sent: PaymentState, looked: Looked | Unknown) -> None:
        """Record the reversals that a look found and that were not sent before. `sent` is the row before the look."""
        payment = self.get(sent.payment_id)
        if payment is None:
            return  # Forgotten meanwhile.
        if isinstance(looked, Unknown):
            self.tally["looks", "unknown"] += 1
            after = mark_look_failed(payment, self._now_ms)
        else:
            self.tally["looks", "done"] += 1
            after, new = mark_looked(payment, looked, self._now_ms)
            self.reversed += [(after, reversal) for reversal in new]
            for reversal in new:
                self.tally["reversals", reversal.kind] += 1
        if payment.sequence != sent.sequence:
            # A note came during the look, which may be older than the event.
            after = mark_look_due(after, self._now_ms)
        self.changed[payment.payment_id] = after

    def _look_soon(self, payment: PaymentState) -> None:
        if payment.is_open or payment.can_be_reversed:
            self.changed[payment.payment_id] = mark_look_due(payment, self._now_ms)

    def add_outcome(self, sent: PaymentState, outcome: Outcome) -> None:
        """Apply a provider's outcome. `sent` is the row as it was when the provider was called."""
        payment = self.get(sent.payment_id)
        assert payment is not None, "an open payment is not forgotten"
        after = apply_outcome(payment, outcome, self._now_ms)
        if not after.is_open:
            self.tally["answers", _answer_label(after)] += 1
            self.answered.append(after)
        else:
            self.tally["retries", _retry_label(outcome)] += 1
            if payment.sequence != sent.sequence:
                # A webhook note came during the call: the outcome may be older than the event that it reports.
                after = make_due(after, self._now_ms)
        self.changed[sent.payment_id] = after

    def forget(self, payment_id: str) -> None:
        """Drop the row of a payment that no input can be about any more."""
        self.changed[payment_id] = None


def apply_outcome(payment: PaymentState, outcome: Outcome, now_ms: int) -> PaymentState:
    """The next row of an open payment. Rules C12 and C14.

    The answer's time is the provider's. If the provider gives none, or one before the request because its clock is
    slow, the answer has the time of the request.
    """
    requested_ms = int(parse_instant(payment.requested_at))
    match outcome:
        case Succeeded(reference, at_ms):
            return mark_succeeded(payment, reference, max(requested_ms, at_ms or 0), now_ms)
        case Declined(reason, retryable, reference, at_ms):
            at_ms = max(requested_ms, at_ms or 0)
            return mark_declined(payment, reason, reference, at_ms, now_ms, retryable=retryable)
        case Pending(reference, check_at_ms):
            return mark_pending(payment, reference, check_at_ms, now_ms)
        case Refused(spent=spent):
            return mark_unknown(payment, now_ms, spent=spent)
        case _:
            return mark_unknown(payment, now_ms)


def _retry_label(outcome: Outcome) -> str:
    if isinstance(outcome, Pending):
        return "pending"
    return "refused" if isinstance(outcome, Refused) else "unknown"


def _answer_label(payment: PaymentState) -> str:
    if payment.status == "succeeded":
        return "succeeded"
    return "declined_for_now" if payment.retryable else "declined"
