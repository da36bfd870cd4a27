"""The records of one transaction: rows, and the signed inputs that tell the wallet about payments. No Kafka."""

from dataclasses import dataclass

from payments.adapter.answer import encode_answer, encode_reversal, signature_headers
from payments.adapter.changes import Changes
from payments.adapter.listing import LISTED_KEY, encode_listed
from payments.payment_state import encode_row
from stream.lane.changelog import CHECKPOINT_BYTES
from stream.lane.transaction import Entry


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the records go. `key` signs inputs, None for no signature; `by_ticks`: ticks alone are the time."""

    rows_topic: str
    answers_topic: str
    key: bytes | None
    by_ticks: bool


def entries(changes: Changes, checkpoint: bytes, to: Destination) -> dict[str, list[Entry]]:
    """By topic. Answers come before reversals, so that a reversal never overtakes the answer of its payment."""
    rows: list[Entry] = [
        (payment_id.encode(), None if row is None else encode_row(row), [])
        for payment_id, row in changes.changed.items()
    ]
    if changes.listed is not None:
        rows.append((LISTED_KEY, encode_listed(changes.listed), []))
    rows.append((CHECKPOINT_BYTES, checkpoint, []))
    inputs = [(payment.account_id, encode_answer(payment)) for payment in changes.answered]
    inputs += [(row.account_id, encode_reversal(row, one, by_ticks=to.by_ticks)) for row, one in changes.reversed]
    answers: list[Entry] = [
        (account_id.encode(), value, signature_headers(value, to.key)) for account_id, value in inputs
    ]
    return {to.rows_topic: rows, to.answers_topic: answers}
