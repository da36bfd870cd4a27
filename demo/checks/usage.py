"""The minutes in an account's snapshot are those of its calls, rated again from the inputs."""

from collections import Counter
from collections.abc import Iterator, Sequence

from demo.checks.evidence import CallKey, Evidence, finding
from demo.checks.rows import ChargeRow, InputRow, RatedRow
from demo.plans import plan_of
from schemas.instant import MINUTE_MS, SECOND_MS, parse_instant

REDIRECTED = "redirected"


def check_usage(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    used = Counter[tuple[str, str]]()
    for charge, used_ms in rated_calls(evidence, accepted):
        used[charge.account_id, charge.period_start] += used_ms
    yield from finding(
        "snapshots whose minutes differ from their calls",
        (
            f"{account}: snapshot {shown.minutes_used}, calls {used[account, shown.period_start] / MINUTE_MS:g}, "
            f"since {shown.period_start}"
            for account, shown in ((account, row.usage) for account, row in evidence.snapshots.items())
            if used[account, shown.period_start] != shown.minutes_used * MINUTE_MS
        ),
    )


def rated_calls(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[tuple[ChargeRow, int]]:
    """The charge of each call on a minutes plan, and the milliseconds of its period that the call used in the end.

    Uses the inputs, not the charges alone: a correction that moves no money publishes no charge.
    """
    charges = {(row.account_id, row.call_id): row for row in evidence.charges if row.receipt.minutes is not None}
    ends: dict[CallKey, dict[str, InputRow]] = {}
    reclassified: dict[CallKey, InputRow] = {}
    for row in accepted:
        call = row.account_id, row.call_id
        if row.type == "call-ended":
            ends.setdefault(call, {})[row.leg_id] = row
        elif row.type == "call-reclassified" and _is_newer(row, reclassified.get(call)):
            reclassified[call] = row
    for call, charge in charges.items():
        if call in ends:
            yield charge, _used_ms(charge, list(ends[call].values()), reclassified.get(call))


def _is_newer(row: InputRow, current: InputRow | None) -> bool:
    """Of two reclassifications the one that occurred later counts, whichever arrived first."""
    return current is None or _order(row) > _order(current)


def _order(row: InputRow) -> tuple[int, str]:
    return parse_instant(row.occurred_at), row.id


def _used_ms(charge: ChargeRow, ends: Sequence[InputRow], reclassified: InputRow | None) -> int:
    """`ends` are the last end of each leg. Unanswered and redirected legs do not count."""
    legs = [end for end in ends if end.answered_at is not None and end.outcome != REDIRECTED]
    real = all(leg.real is not False for leg in legs) if reclassified is None else bool(reclassified.real)
    if not legs or charge.receipt.gate == REDIRECTED or not real:
        return 0
    assert charge.receipt.minutes is not None
    longest_ms = plan_of(charge.plan, charge.currency).longest_call_ms
    return in_increments(min(talked_ms(legs), longest_ms), charge.receipt.minutes)


def talked_ms(legs: Sequence[InputRow]) -> int:
    """From the first answer to the last end of answered legs."""
    return max(parse_instant(leg.occurred_at) for leg in legs) - min(parse_instant(leg.answered_at) for leg in legs)


def in_increments(billable_ms: int, rated: RatedRow) -> int:
    """Rounded up to whole increments (ms); 0 stays 0."""
    first_ms, next_ms = rated.increment_first_s * SECOND_MS, rated.increment_next_s * SECOND_MS
    if billable_ms <= 0:
        return 0
    return first_ms + max(0, -(-(billable_ms - first_ms) // next_ms)) * next_ms
