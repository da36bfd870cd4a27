"""The minutes that an account's snapshot shows are those of its calls, rated once more from what was reported."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import CallKey, Evidence
from demo.checks.finding import finding
from demo.checks.rows import ChargeRow, InputRow, RatedRow
from schemas.instant import MINUTE_MS, SECOND_MS, parse_instant

REDIRECTED = "redirected"


def check_usage(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    used = Counter[tuple[str, str]]()
    for charge, used_ms in rated_calls(evidence, accepted):
        used[charge.account_id, charge.period_start] += used_ms
    yield from finding(
        "snapshots with other minutes than their calls took",
        (
            f"{account} has {shown.minutes_used} in its snapshot and {used[account, shown.period_start] / MINUTE_MS:g} "
            f"by its calls since {shown.period_start}"
            for account, shown in ((account, row.usage) for account, row in evidence.snapshots.items())
            if used[account, shown.period_start] != shown.minutes_used * MINUTE_MS
        ),
    )


def rated_calls(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[tuple[ChargeRow, int]]:
    """The last word on each call of a plan with minutes, and the milliseconds that it takes from its period.

    From the reports and not from the charges alone: a correction that moves no money is no fact of theirs.
    """
    charges = {(row.account_id, row.call_id): row for row in evidence.charges if row.receipt.minutes is not None}
    ends: dict[CallKey, InputRow] = {}
    words: dict[CallKey, InputRow] = {}
    for row in accepted:
        call = row.account_id, row.call_id
        if row.type == "call-ended":
            ends[call] = row
        elif row.type == "call-reclassified" and _newer(row, words.get(call)):
            words[call] = row
    for call, charge in charges.items():
        end = ends.get(call)
        if end is not None:
            yield charge, _used_ms(charge, end, words.get(call))


def _newer(word: InputRow, standing: InputRow | None) -> bool:
    """Of two reclassifications the one that occurred later stands, whichever arrived first."""
    return standing is None or _place(word) > _place(standing)


def _place(word: InputRow) -> tuple[int, str]:
    return parse_instant(word.occurred_at), word.id


def _used_ms(charge: ChargeRow, end: InputRow, word: InputRow | None) -> int:
    real = end.real is not False if word is None else bool(word.real)
    redirected = REDIRECTED in (charge.receipt.gate, end.outcome)
    if end.answered_at is None or redirected or not real:
        return 0
    assert charge.receipt.minutes is not None
    return in_increments(parse_instant(end.occurred_at) - parse_instant(end.answered_at), charge.receipt.minutes)


def in_increments(billable_ms: int, rated: RatedRow) -> int:
    """Started increments are whole ones; no time takes none."""
    first_ms, next_ms = rated.increment_first_s * SECOND_MS, rated.increment_next_s * SECOND_MS
    if billable_ms <= 0:
        return 0
    return first_ms + max(0, -(-(billable_ms - first_ms) // next_ms)) * next_ms
