"""Money that came back is taken and given back once and never past its payment. Rules R1, R2, R8 and R9."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from demo.checks.evidence import Evidence, finding
from demo.checks.payments import PaymentKey
from demo.checks.rows import InputRow, PaymentRow
from demo.checks.wallets import BOUGHT

Key = TypeVar("Key")

OPPOSITE = {"dispute_won": "dispute", "refund_failed": "refund"}


class Reversals:
    """What each accepted `payment-reversed` must have moved: from the wallet, or of what an invoice was paid with.

    `wallet` and `billed` are by account and input id, in micros: negative amounts are taken, positive ones given back.
    """

    def __init__(self, evidence: Evidence, accepted: Sequence[InputRow]) -> None:
        self.wallet, self.billed = Counter[PaymentKey](), Counter[PaymentKey]()
        self._payments = {(row.account_id, row.payment_id): row for row in evidence.payments}
        refunds = defaultdict[PaymentKey, list[PaymentRow]](list)
        for row in evidence.payments:
            if row.purpose == "refund":
                refunds[row.account_id, row.caused_by].append(row)
        self._refunded = Counter[PaymentKey]()  # By us, of each payment.
        self._taken = Counter[tuple[PaymentKey, str]]()  # By the provider, of each payment and kind.
        for input_row in accepted:
            if input_row.type == "payment-reversed":
                self._reverse(input_row)
            for refund in refunds.get((input_row.account_id, input_row.id), ()):
                self._refunded[refund.account_id, refund.refund_of] += refund.amount_micros

    def _reverse(self, row: InputRow) -> None:
        key = row.account_id, row.payment_id
        payment = self._payments.get(key)
        if payment is None:
            return  # The ledger has no entry for it either, or that is a finding.
        cause = row.account_id, row.id
        if payment.purpose == "refund":
            self._refunded[row.account_id, payment.refund_of] -= row.amount_micros
            self.wallet[cause] += row.amount_micros
            return
        moved_micros = self._move(key, payment, row)
        moves = self.wallet if payment.purpose in BOUGHT else self.billed
        moves[cause] += moved_micros

    def _move(self, key: PaymentKey, payment: PaymentRow, row: InputRow) -> int:
        taken = self._taken
        if row.kind in OPPOSITE:
            given_micros = min(row.amount_micros, taken[key, OPPOSITE[row.kind]])
            taken[key, OPPOSITE[row.kind]] -= given_micros
            return given_micros
        left_micros = payment.amount_micros - self._refunded[key] - sum(taken[key, kind] for kind in OPPOSITE.values())
        taken[key, row.kind] += min(row.amount_micros, left_micros)
        return -min(row.amount_micros, left_micros)


def check_reversals(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    expected = Reversals(evidence, accepted)
    posted = Counter[PaymentKey]()
    for entry in evidence.entries:
        if entry.kind == "reversal":
            posted[entry.account_id, entry.caused_by] += entry.amount_micros
    yield from finding("reversals that moved another amount in the wallet", _different(expected.wallet, posted))
    marked = Counter[PaymentKey]()
    for row in evidence.invoices:
        if row.type == "invoice-reversed":
            sign = 1 if row.kind in OPPOSITE else -1
            marked[row.account_id, row.caused_by] += sign * row.amount_micros
    # A reversal before its invoice is issued is a sum on that invoice, which may come after the run.
    on_issued = Counter({key: micros for key, micros in expected.billed.items() if key in marked})
    yield from finding("reversals that marked an invoice with another amount", _different(on_issued, marked))
    reported = Counter(
        (row.account_id, row.payment_id, row.kind, row.amount_micros)
        for row in accepted
        if row.type == "payment-reversed"
    )
    told = Counter(
        (row.account_id, row.payment_id, row.kind, row.amount_micros)
        for row in evidence.alerts
        if row.type == "payment-reversed"
    )
    yield from finding(
        "reversals that do not have exactly one alert",
        (f"{' '.join(key[:3])}: {reported[key]} reported, {told[key]} alerts" for key in _unlike(reported, told)),
    )


def _different(expected: Counter[PaymentKey], found: Counter[PaymentKey]) -> Iterator[str]:
    for key in _unlike(expected, found):
        yield f"{key[0]} {key[1]}: {expected[key]} expected, {found[key]} found"


def _unlike(one: Counter[Key], other: Counter[Key]) -> Iterator[Key]:
    return (key for key in one.keys() | other.keys() if one[key] != other[key])
