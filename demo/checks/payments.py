"""Each payment was requested once and has one answer and its receipt."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import Evidence, finding
from demo.checks.rows import InputRow, PaymentRow

ANSWERS = ("payment-succeeded", "payment-declined")

PaymentKey = tuple[str, str]  # Account id and payment id.


def answers(accepted: Sequence[InputRow]) -> dict[PaymentKey, InputRow]:
    """The answer of each payment. Only the first counts: others are findings."""
    found: dict[PaymentKey, InputRow] = {}
    for row in accepted:
        if row.type in ANSWERS:
            found.setdefault((row.account_id, row.payment_id), row)
    return found


def succeeded(evidence: Evidence, accepted: Sequence[InputRow]) -> list[PaymentRow]:
    answered = answers(accepted)
    return [p for p in evidence.payments if _result(answered, p) == "payment-succeeded"]


def _result(answered: dict[PaymentKey, InputRow], payment: PaymentRow) -> str | None:
    answer = answered.get((payment.account_id, payment.payment_id))
    return None if answer is None else answer.type


def check_payments(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    requested = Counter((row.account_id, row.payment_id) for row in evidence.payments)
    answered = answers(accepted)
    answer_counts = Counter((row.account_id, row.payment_id) for row in accepted if row.type in ANSWERS)
    yield from finding(
        "payments requested more than once", (_named(key) for key, times in requested.items() if times > 1)
    )
    yield from finding(
        "payments with two different answers", (_named(key) for key, times in answer_counts.items() if times > 1)
    )
    yield from finding("payments without an answer", (_named(key) for key in requested.keys() - answered.keys()))
    yield from finding("answers without a request", (_named(key) for key in answered.keys() - requested.keys()))
    yield from finding("payments whose receipt is missing or wrong", _wrong_receipts(evidence, accepted))


def _named(key: PaymentKey) -> str:
    return f"{key[0]} {key[1]}"


def _wrong_receipts(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    """A successful card charge has one receipt of its amount; a refund has none."""
    paid = Counter(
        (p.account_id, p.payment_id, p.amount_micros) for p in succeeded(evidence, accepted) if p.purpose != "refund"
    )
    issued = Counter(
        (row.account_id, row.payment_id, row.amount_micros) for row in evidence.invoices if row.type == "receipt-issued"
    )
    for account, payment, micros in paid | issued:
        key = account, payment, micros
        if paid[key] != issued[key]:
            yield f"{account} {payment} of {micros}: {paid[key]} paid, {issued[key]} receipts"
