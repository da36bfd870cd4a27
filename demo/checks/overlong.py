"""A call longer than its plan's longest call is charged for no more than that, and one alert names it. Rule G7."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from demo.checks.evidence import CallKey, Evidence, finding
from demo.checks.rows import InputRow
from demo.checks.usage import REDIRECTED, talked_ms
from demo.plans import plan_of


def check_overlong(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    told = Counter((row.account_id, row.call_id) for row in evidence.alerts if row.type == "call-overlong")
    overlong = set(_overlong(evidence, accepted))
    yield from finding("overlong calls without an alert", (" ".join(call) for call in overlong - told.keys()))
    yield from finding("alerts about calls that are not overlong", (" ".join(call) for call in told.keys() - overlong))
    yield from finding("calls with two alerts that they are overlong", (" ".join(c) for c, n in told.items() if n > 1))
    yield from finding(
        "charges for more than the longest call",
        (
            f"{row.account_id} {row.id}: {row.billable_ms} ms"
            for row in evidence.charges
            if row.billable_ms > plan_of(row.plan, row.currency).longest_call_ms
        ),
    )


def _overlong(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[CallKey]:
    """The calls that count and of which some report, or the legs together, gave a longer time. Whether a call is real
    is known from its end alone: other news of it come later than the alert.
    """
    longest_ms = {
        (row.account_id, row.call_id): plan_of(row.plan, row.currency).longest_call_ms
        for row in evidence.charges
        if row.receipt.gate != REDIRECTED
    }
    legs = defaultdict[CallKey, list[InputRow]](list)
    for row in accepted:
        call = row.account_id, row.call_id
        if row.type != "call-ended" or row.answered_at is None or row.outcome == REDIRECTED or row.real is False:
            continue
        if call in longest_ms:
            reports = [row]
            if row.leg_id:
                legs[call].append(row)
                reports = legs[call]
            if talked_ms(reports) > longest_ms[call]:
                yield call
