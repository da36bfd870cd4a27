"""Counters of a billing period for its invoice, and which invoice carries a late change.

Rules B2, B7, B8, M11 and M12.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from agents.wallet.periods import is_invoiced
from agents.wallet.turn import Turn
from schemas.account import SEVERAL_RATES, Period, Use

DIRECTIONS = ("inbound", "outbound", "web")
# Movements of the wallet that are purchases and refills, or take them back: the `top_up` line. Rule B2.
_TOP_UPS = frozenset({"purchase", "refill", "refund", "reversal"})
_NO_USE = Use()


def period_to_invoice(turn: Turn, at_ms: int) -> Period:
    """The period whose invoice carries a change dated `at_ms`: the one that holds it; if that is invoiced, the one
    that holds the clock; if that is not billed, the first billed one. Rules B2, B7 and G3.
    """
    period = turn.period(max(at_ms, turn.account.billed_from_ms))
    if not is_invoiced(turn.account, period, turn.clock_ms):
        return period
    assert turn.clock_ms is not None
    return turn.period(turn.clock_ms)


def schedule_period_end(turn: Turn, period: Period) -> None:
    """Make the account due when the period ends. Idle accounts are never due."""
    account = turn.account
    if not account.billing_due_ms or period.end_ms < account.billing_due_ms:
        turn.account = replace(account, billing_due_ms=period.end_ms)


def count_cost(turn: Turn, period: Period, direction: str, use: Use, **counted: int) -> None:
    """Add to the cost of the period's calls of one type, and set the fields in `counted`. `use` is what the change adds
    to the usage line of the invoice. Rules B8 and M12.
    """
    micros = use.calls_micros + use.beyond_micros
    if not micros and not use.beyond_ms:
        if counted:
            turn.put_period(replace(period, **counted))
        return
    invoiced_with = period_to_invoice(turn, period.start_ms)
    if invoiced_with.start_ms == period.start_ms:
        kind = f"{direction}_micros"
        used = _with_use(period, direction, use)
        turn.put_period(replace(period, **counted, **{kind: getattr(period, kind) + micros}, **used))
    else:
        kind, late = f"{direction}_micros", f"late_{direction}_micros"
        turn.put_period(replace(period, **counted, **{kind: getattr(period, kind) + micros}))
        used = _with_use(invoiced_with, direction, use)
        turn.put_period(replace(invoiced_with, **{late: getattr(invoiced_with, late) + micros}, **used))
    schedule_period_end(turn, invoiced_with)


def _with_use(period: Period, direction: str, use: Use) -> dict[str, Use]:
    kind = f"{direction}_use"
    before: Use = getattr(period, kind) or _NO_USE
    rates = {rate for rate in (before.rate_micros, use.rate_micros) if rate}
    return {
        kind: Use(
            before.calls + use.calls,
            before.calls_micros + use.calls_micros,
            before.beyond_ms + use.beyond_ms,
            before.beyond_micros + use.beyond_micros,
            SEVERAL_RATES if len(rates) > 1 else max(rates, default=0),
        )
    }


def count_funds(turn: Turn) -> None:
    """Count what moved the wallet besides calls, in the period of the ledger entries' `occurred_at`. Rule B7."""
    period = period_to_invoice(turn, turn.at_ms)
    credited_micros = sum(micros for _, micros in turn.funds_moved)
    top_up_micros = sum(micros for kind, micros in turn.funds_moved if kind in _TOP_UPS)
    turn.put_period(
        replace(
            period,
            credited_micros=period.credited_micros + credited_micros,
            top_up_micros=period.top_up_micros + top_up_micros,
        )
    )
    schedule_period_end(turn, period)


def usage_lines(period: Period) -> Iterator[tuple[str, int, Use]]:
    """Direction, micros and quantities of each type of calls on the period's invoice. Rule B2."""
    for direction in DIRECTIONS:
        micros = getattr(period, f"{direction}_micros") + getattr(period, f"late_{direction}_micros")
        yield direction, micros, getattr(period, f"{direction}_use") or _NO_USE


def overage_micros(period: Period) -> int:
    """The cost of calls on the period's invoice, wallet and card part together. Rule B2."""
    return sum(micros for _, micros, _ in usage_lines(period))


def has_lines(period: Period) -> bool:
    """Whether something happened that the invoice of the period, or its wallet statement, shows."""
    moved = period.credited_micros or period.top_up_micros or period.card_micros
    return bool(moved) or any(micros for _, micros, _ in usage_lines(period))
