"""Each payment was asked for once, had one answer and its receipt, and the card was asked for the overage it owes."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import Evidence
from demo.checks.finding import finding
from demo.checks.rows import InputRow, PaymentRow

ANSWERS = ("payment-succeeded", "payment-declined")

# An answer is known by its account and payment.
PaymentKey = tuple[str, str]


def answers(accepted: Sequence[InputRow]) -> dict[PaymentKey, InputRow]:
    """The answer of each payment: the first one, later ones are repeats."""
    found: dict[PaymentKey, InputRow] = {}
    for row in accepted:
        if row.type in ANSWERS:
            found.setdefault((row.account_id, row.payment_id), row)
    return found


def succeeded(evidence: Evidence, accepted: Sequence[InputRow]) -> list[PaymentRow]:
    answered = answers(accepted)
    return [p for p in evidence.payments if _verdict(answered, p) == "payment-succeeded"]


def _verdict(answered: dict[PaymentKey, InputRow], payment: PaymentRow) -> str | None:
    answer = answered.get((payment.account_id, payment.payment_id))
    return None if answer is None else answer.type


def check_payments(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    asked = Counter((row.account_id, row.payment_id) for row in evidence.payments)
    answered = answers(accepted)
    said = Counter((row.account_id, row.payment_id) for row in accepted if row.type in ANSWERS)
    yield from finding("payments asked for more than once", (_named(key) for key, times in asked.items() if times > 1))
    yield from finding("payments with two different answers", (_named(key) for key, times in said.items() if times > 1))
    yield from finding("payments without an answer", (_named(key) for key in asked.keys() - answered.keys()))
    yield from finding("answers to what nobody asked", (_named(key) for key in answered.keys() - asked.keys()))
    yield from finding("payments whose receipt is missing or wrong", _wrong_receipts(evidence, accepted))
    yield from finding("cards asked for other overage than they owe", _wrong_overage(evidence, answered))


def _named(key: PaymentKey) -> str:
    return f"{key[0]} {key[1]}"


def _wrong_receipts(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    """A card charge that went through has one receipt of its amount; a refund has none."""
    paid = Counter((p.account_id, p.payment_id, p.amount_micros) for p in succeeded(evidence, accepted) if _costs(p))
    issued = Counter(
        (row.account_id, row.payment_id, row.amount_micros) for row in evidence.invoices if row.type == "receipt-issued"
    )
    for account, payment, micros in paid | issued:
        key = account, payment, micros
        if paid[key] != issued[key]:
            yield f"{account} {payment} of {micros}: {paid[key]} paid and {issued[key]} receipts"


def _costs(payment: PaymentRow) -> bool:
    return payment.purpose != "refund"


def _wrong_overage(evidence: Evidence, answered: dict[PaymentKey, InputRow]) -> Iterator[str]:
    """What calls put on the card is asked for or due. What was declined is due again, so it was not asked for."""
    charged, asked = Counter[str](), Counter[str]()
    for charge in evidence.charges:
        charged[charge.account_id] += charge.card_micros
    for payment in evidence.payments:
        if payment.purpose == "overage" and _verdict(answered, payment) != "payment-declined":
            asked[payment.account_id] += payment.amount_micros
    for account, snapshot in evidence.snapshots.items():
        due_micros = snapshot.card_due_micros
        if charged[account] != asked[account] + due_micros:
            yield f"{account}: {charged[account]} in charges, {asked[account]} asked for and {due_micros} due"
