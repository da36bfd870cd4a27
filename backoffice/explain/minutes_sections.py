"""The rows of an explanation that only a minutes plan has: time, pool, lines, rounding and payment.

Rules M2 to M5, P3 and G11. Times come from the receipt's milliseconds, never from the wire's minutes.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from backoffice.explain.call_history import is_counted
from backoffice.explain.minutes_check import beyond_ms, exact_micros, millis_of, recompute
from backoffice.explain.wording import NOT_ENABLED, THE_CALL, duration, flow, line_row, minutes_of
from schemas.facts import Charge, ChargeAdjusted, Line, MinutesReceipt, Receipt
from schemas.instant import MINUTE_MS
from schemas.money import format_money

_TIMED = frozenset({"included", "minutes"})


def charge_rows(move: Charge, minutes: MinutesReceipt) -> list[str]:
    """The arithmetic of a charge, from talk time to the rounded amount. Rules M2 to M4 and G1."""
    return [
        *_time_rows(move, minutes),
        *_line_rows(move.lines, move.currency),
        f"{'charged':<34} {format_money(move.amount_micros, move.currency):>12}",
        _rounding(move, minutes),
    ]


def adjustment_rows(before: Charge | None, move: ChargeAdjusted, minutes: MinutesReceipt) -> list[str]:
    """The minutes, lines and money that an adjustment changes, and the arithmetic of the new cost. Rule P3.

    `before` is the call's preceding charge or adjustment, None when the file does not have it.
    """
    return [
        *_minutes_moved(before, minutes),
        *_time_rows(move, minutes),
        *_line_rows(move.lines, move.currency),
        f"{'costs now':<34} {format_money(move.receipt.amount_micros, move.currency):>12}",
        _rounding(move, minutes),
    ]


def paid_rows(move: Charge) -> list[str]:
    """Wallet and card. Only overage that was not yet requested from the card can come off it. Rules M5, P3 and P14."""
    before, after = (format_money(m, move.currency) for m in (move.balance_before_micros, move.balance_after_micros))
    wallet = flow(move.wallet_micros, move.currency, "from the wallet", "back to the wallet")
    card = flow(move.card_micros, move.currency, "on the card", "less on the card, not requested yet")
    rows = [f"{wallet}, {card}", f"balance {before} before, {after} after"]
    if move.card_micros > 0:
        rows.append(
            "the card is charged for all overage together: when it reaches the plan's threshold, and at the end of a"
            " period"
        )
    return rows


def recomputed_row(receipt: Receipt, minutes: MinutesReceipt) -> str:
    """The charge computed again, in the receipt's own integers. Rule G11."""
    times = f"{beyond_ms(minutes):,} ms x {minutes.rate_micros:,} micros a minute / {MINUTE_MS:,} ms"
    rounded = f"to whole {receipt.charge_quantum_micros:,}: {recompute(receipt, minutes):,}"
    return f"{times} = {_mixed(exact_micros(minutes))} micros, rounded {rounded}"


def _time_rows(move: Charge, minutes: MinutesReceipt) -> list[str]:
    used_after_ms = minutes.used_before_ms + minutes.rated_ms
    before, after = minutes_of(minutes.used_before_ms), minutes_of(used_after_ms)
    if not is_counted(move.receipt):
        return [
            f"the call does not count: {before} used before and after it, of {minutes_of(minutes.pool_ms)} included"
        ]
    steps = f"{minutes.increment_first_s}/{minutes.increment_next_s} s"
    left = minutes_of(max(0, minutes.pool_ms - minutes.used_before_ms))
    split = f"{minutes_of(minutes.from_pool_ms)} included, {minutes_of(beyond_ms(minutes))} beyond the allowance"
    return [
        f"{duration(move.billable_ms)} billable, rounded up in increments of {steps}: {minutes_of(minutes.rated_ms)}",
        f"allowance of {minutes_of(minutes.pool_ms)}: {before} used before it, {left} left, {after} used after it",
        f"so {split}, {move.direction} at {format_money(minutes.rate_micros, move.currency)} a minute",
    ]


def _minutes_moved(before: Charge | None, minutes: MinutesReceipt) -> Iterator[str]:
    if before is None or not isinstance(before.receipt.minutes, MinutesReceipt):
        return
    moved_ms = minutes.rated_ms - before.receipt.minutes.rated_ms
    if moved_ms:
        yield f"{minutes_of(abs(moved_ms))} {'more' if moved_ms > 0 else 'given back'}"


def _line_rows(lines: Iterable[Line], currency: str) -> Iterator[str]:
    for line in lines:
        if line.kind in _TIMED:
            times = f"{minutes_of(millis_of(line.quantity))} x {format_money(line.unit_amount_micros, currency)}"
            yield f"{line.kind:<9} {times:>24} {format_money(line.amount_micros, currency):>12}"
        else:
            yield line_row(line, currency, THE_CALL if line.kind == NOT_ENABLED else "")


def _rounding(move: Charge, minutes: MinutesReceipt) -> str:
    """The exact product and its single rounding. Rule G1."""
    beyond, currency = beyond_ms(minutes), move.currency
    if not beyond:
        return "nothing to pay, nothing to round"
    rate, quantum = (format_money(m, currency) for m in (minutes.rate_micros, move.receipt.charge_quantum_micros))
    exact, charged = exact_micros(minutes), move.receipt.amount_micros
    unrounded = format_money(exact // 1, currency)
    if exact % 1:
        unrounded += f" and {exact % 1} of a micro"
    change = "nothing to round" if exact == charged else f"-> {format_money(charged, currency)}"
    return f"{minutes_of(beyond)} x {rate} a minute = {unrounded}; rounded once to {quantum}, halves up: {change}"


def _mixed(exact: Fraction) -> str:
    """`166,833 1/3`."""
    whole, rest = divmod(exact, 1)
    return f"{whole:,} {rest}" if rest else f"{whole:,}"
