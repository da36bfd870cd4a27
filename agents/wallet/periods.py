"""The billing periods that an account's row keeps."""

from msgspec.structs import replace

from schemas.account import Period

# A late end reaches back two periods and the upgrade hint looks at three; eight leave room for both. Periods that no
# tick has ended wait for their invoice: two at most while the clock runs, some years' worth in a log without ticks.
PERIODS_KEPT_MAX = 8
PERIODS_WAITING_MAX = 64


def with_period(periods: tuple[Period, ...], period: Period, clock_ms: int | None) -> tuple[Period, ...]:
    """`periods` with the one of the same start replaced, or with one more, in order of time. The oldest one beyond
    PERIODS_KEPT_MAX is dropped.
    """
    kept = tuple(sorted((*(p for p in periods if p.start_ms != period.start_ms), period), key=_start))
    invoiced = clock_ms is not None and kept[0].end_ms <= clock_ms
    full = len(kept) > (PERIODS_KEPT_MAX if invoiced else PERIODS_WAITING_MAX)
    return _drop_oldest(kept) if full else kept


def _start(period: Period) -> int:
    return period.start_ms


def _drop_oldest(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    """The periods without the oldest. The second inherits an upgrade hint: a streak is hinted at once (rule P18)."""
    oldest, second, *others = periods
    if oldest.upgrade_hinted and oldest.end_ms == second.start_ms and second.extra_calls_charged:
        second = replace(second, upgrade_hinted=True)
    return (second, *others)
