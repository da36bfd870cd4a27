"""What one transaction of a partition will change: rows, and the answers of those that got theirs. No Kafka here."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from payments.outcome import Outcome, Pending
from payments.payment import Payment, open_payment, same_request, wake
from payments.request import UnreadableRequestError, read_request
from payments.settle import settle
from schemas.batch import Record


class WebhookNote(msgspec.Struct, frozen=True):
    """That Stripe has news of a payment. What the news is it is asked itself: a note moves no money."""

    payment_id: str
    account_id: str
    event: str


_notes = msgspec.json.Decoder(WebhookNote)


class Batch:
    """Reads the rows as they will be; `changed` holds those that differ from what is committed, None to forget one."""

    def __init__(self, rows: Mapping[str, Payment], now_ms: int) -> None:
        self.changed: dict[str, Payment | None] = {}
        self.tally: Counter[tuple[str, str]] = Counter()
        self._rows, self._now_ms = rows, now_ms

    def get(self, payment_id: str) -> Payment | None:
        if payment_id in self.changed:
            return self.changed[payment_id]
        return self._rows.get(payment_id)

    @property
    def answered(self) -> list[Payment]:
        """The payments that get their answer with this batch: an answered row never changes again."""
        return [payment for payment in self.changed.values() if payment is not None and not payment.is_open]

    def request(self, record: Record, partition: int, partitions: int) -> str | None:
        """Take a request; returns what an operator should know, None when there is nothing unusual."""
        try:
            request = read_request(record.key, record.value, partition, partitions)
        except UnreadableRequestError as error:
            self.tally["requests", "unreadable"] += 1
            return f"unreadable: {error}"
        known = self.get(request.payment_id)
        if known is None:
            self.tally["requests", "new"] += 1
            self.changed[request.payment_id] = open_payment(request, min(record.timestamp, self._now_ms), self._now_ms)
            return None
        self.tally["requests", "repeat"] += 1
        return None if same_request(known, request) else "the same payment id asks for something else: it is not paid"

    def note(self, value: bytes | None) -> None:
        """Look at a payment soon, when it is one of ours without an answer."""
        try:
            note = _notes.decode(value or b"")
        except msgspec.MsgspecError:
            return
        payment = self.get(note.payment_id)
        if payment is not None and payment.is_open:
            self.changed[payment.payment_id] = wake(payment, self._now_ms)

    def outcome(self, asked: Payment, outcome: Outcome) -> None:
        """Take what the provider said of a payment as it stood when it was `asked`."""
        payment = self.get(asked.payment_id)
        assert payment is not None, "an open payment is not forgotten"
        after = settle(payment, outcome, self._now_ms)
        if not after.is_open:
            self.tally["answers", _label(after)] += 1
        else:
            self.tally["retries", "pending" if isinstance(outcome, Pending) else "unknown"] += 1
            if payment.sequence != asked.sequence:
                # Word of news came while it was being asked for: the answer may be older than the news.
                after = wake(after, self._now_ms)
        self.changed[asked.payment_id] = after

    def forget(self, payment_id: str) -> None:
        """Drop the row of a payment answered long ago."""
        self.changed[payment_id] = None


def _label(payment: Payment) -> str:
    if payment.status == "succeeded":
        return "succeeded"
    return "declined_for_now" if payment.retryable else "declined"
