"""Each ended call was charged once, and each charge equals the sum of its lines and of its two payers."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import CallKey, Evidence, finding
from demo.checks.rows import ChargeRow, InputRow


def ended_calls(accepted: Sequence[InputRow]) -> set[CallKey]:
    """Calls whose end took effect."""
    return {(row.account_id, row.call_id) for row in accepted if row.type == "call-ended"}


def check_calls(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    ended = ended_calls(accepted)
    charged = Counter((row.account_id, row.call_id) for row in evidence.charges if row.type == "call-charged")
    touched = {(row.account_id, row.call_id) for row in evidence.charges}
    yield from finding("accepted calls without a charge", _named(call for call in ended if not charged[call]))
    yield from finding("calls charged more than once", _named(call for call, times in charged.items() if times > 1))
    yield from finding("charges of calls that were not accepted", _named(touched - ended))
    yield from finding("charges that differ from the sum of their lines", _wrong_sums(evidence.charges))
    yield from finding("charges that differ from the sum of wallet and card", _wrong_payers(evidence.charges))


def _named(calls: Iterator[CallKey] | set[CallKey]) -> Iterator[str]:
    return (" ".join(call) for call in calls)


def _wrong_sums(charges: list[ChargeRow]) -> Iterator[str]:
    for row in charges:
        lines_micros = sum(line.amount_micros for line in row.lines)
        if lines_micros != row.amount_micros:
            yield f"{row.account_id} {row.id}: charge {row.amount_micros}, lines {lines_micros}"


def _wrong_payers(charges: list[ChargeRow]) -> Iterator[str]:
    for row in charges:
        if row.wallet_micros + row.card_micros != row.amount_micros:
            yield (
                f"{row.account_id} {row.id}: charge {row.amount_micros}, "
                f"wallet {row.wallet_micros}, card {row.card_micros}"
            )
