"""The billing periods that an account's row keeps."""

from msgspec.structs import replace

from schemas.account import Account, Period

# A late end reaches back two periods and the upgrade hint looks at three; eight leave room for both. A catalogue whose
# hint looks at more keeps as many, and those that a late end reaches. Periods that no tick has ended wait for their
# invoice: two at most while the clock runs, up to 50 years' worth in a log without ticks, such as an export with which
# an old customer is moved in. So many take some 45 KB of the account's row.
PERIODS_KEPT_MIN = 8
PERIODS_REACHED = 2
PERIODS_WAITING_MAX = 600


def is_invoiced(account: Account, period: Period, clock_ms: int | None) -> bool:
    """Whether a tick has ended the period, so that its invoice, if any, is issued."""
    if clock_ms is None or period.end_ms > clock_ms:
        return False
    # A tick has passed the end, but periods end one after the other: this one may still be waiting.
    return not account.billing_due_ms or period.end_ms < account.billing_due_ms


def with_period(
    account: Account, periods: tuple[Period, ...], period: Period, clock_ms: int | None, hint_periods: int
) -> tuple[Period, ...]:
    """`periods` of the account with the one of the same start replaced, or with one more, in order of time. The oldest
    ones beyond those to keep are dropped, up to the first whose invoice still waits. `hint_periods` is how many the
    upgrade hint looks at.
    """
    kept = tuple(sorted((*(p for p in periods if p.start_ms != period.start_ms), period), key=_start))
    kept_max = max(PERIODS_KEPT_MIN, hint_periods + PERIODS_REACHED)
    while len(kept) > (kept_max if is_invoiced(account, kept[0], clock_ms) else PERIODS_WAITING_MAX):
        kept = _drop_oldest(kept)
    return kept


def _start(period: Period) -> int:
    return period.start_ms


def _drop_oldest(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    """The periods without the oldest. The second inherits an upgrade hint: a streak is hinted at once (rule P18)."""
    oldest, second, *others = periods
    if oldest.upgrade_hinted and oldest.end_ms == second.start_ms and second.extra_calls_charged:
        second = replace(second, upgrade_hinted=True)
    return (second, *others)
