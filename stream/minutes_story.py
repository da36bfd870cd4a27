"""What is told of a call of a minutes plan: how long it counted, which part was included, what the rest cost, who paid.

Rules M2 to M5, P3 and G11. Times are told from the receipt's milliseconds, never from the wire's minutes.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from schemas.facts import Charge, ChargeAdjusted, Line, MinutesReceipt, Receipt
from schemas.instant import MINUTE_MS
from schemas.money import format_money
from stream.call_story import CallStory, is_counted
from stream.call_words import day, duration, flow, line_row, minutes_of
from stream.minutes_check import beyond_ms, exact_micros, millis_of, recompute

_TIMED = frozenset({"included", "minutes"})


def took_minutes(charge: Charge, minutes: MinutesReceipt) -> str:
    """Why a call that counts cost what it cost, as the end of a sentence. Rules M2 to M4."""
    if minutes.rated_ms == 0:
        return "it ended the moment it was answered, and zero seconds cost nothing"
    took = minutes_of(minutes.rated_ms)
    if charge.billable_ms != minutes.rated_ms:
        took = f"{duration(charge.billable_ms)}, counted as {took}"
    rounds = ", which rounds to nothing" if exact_micros(minutes) and not charge.receipt.amount_micros else ""
    return f"it took {took}, {_split(charge, minutes)}{rounds}"


def _split(charge: Charge, minutes: MinutesReceipt) -> str:
    rate = f"at {format_money(minutes.rate_micros, charge.currency)} a minute"
    if not minutes.pool_ms:
        return f"with none included in the plan, {rate}"
    pool = f"the {_number_of_minutes(minutes.pool_ms)} included in the period from {day(charge.period_start)}"
    if not beyond_ms(minutes):
        return f"within {pool}"
    if not minutes.from_pool_ms:
        return f"beyond {pool}, {rate}"
    included, beyond = minutes_of(minutes.from_pool_ms), minutes_of(beyond_ms(minutes))
    return f"of which {included} within {pool} and {beyond} beyond them, {rate}"


def _number_of_minutes(millis: int) -> str:
    """`100`: what is counted is clear from the words around it."""
    whole, rest = divmod(millis, MINUTE_MS)
    return minutes_of(millis) if rest else f"{whole:,}"


def minutes_given_back(story: CallStory) -> str:
    """What no longer counts of a call that was charged as if it did. Rule P3."""
    before = [move.receipt.minutes for move in story.moves()[-2:-1]]
    given_back_ms = sum(minutes.rated_ms for minutes in before if isinstance(minutes, MinutesReceipt))
    if not given_back_ms:
        return ""
    return f", and its {minutes_of(given_back_ms)} no longer count{'s' if given_back_ms == MINUTE_MS else ''}"


def who_paid(story: CallStory) -> str:
    """Who bears what the call costs now, wallet and card, as the end of a sentence. Rules M5 and P3."""
    if story.charged is None:
        return ""
    moves, currency = story.moves(), story.charged.currency
    wallet_micros, card_micros = sum(move.wallet_micros for move in moves), sum(move.card_micros for move in moves)
    wallet, card = (format_money(abs(micros), currency) for micros in (wallet_micros, card_micros))
    if wallet_micros > 0 and card_micros > 0:
        return f"; the wallet paid {wallet}, and {card} went on the card"
    if wallet_micros > 0:
        return "; the wallet paid all of it"
    if card_micros > 0 > wallet_micros:
        return f"; {card} went on the card, and {wallet} of that came back to the wallet"
    if card_micros > 0:
        return "; all of it went on the card"
    return _all_given_back(moves, currency)


def _all_given_back(moves: list[Charge], currency: str) -> str:
    """Where the money of a call that costs nothing any more has gone. Rule P3."""
    paid = [
        (sum(max(0, move.wallet_micros) for move in moves), "the wallet got back"),
        (sum(max(0, move.card_micros) for move in moves), "the card no longer owes"),
    ]
    told = [f"{who} {format_money(micros, currency)}" for micros, who in paid if micros]
    return f"; {' and '.join(told)}" if told else ""


def charge_rows(move: Charge, minutes: MinutesReceipt) -> list[str]:
    """The arithmetic of a charge, from the time talked to the rounded amount. Rules M2 to M4 and G1."""
    return [
        *_time_rows(move, minutes),
        *_line_rows(move.lines, move.currency),
        f"{'charged':<34} {format_money(move.amount_micros, move.currency):>12}",
        _rounding(move, minutes),
    ]


def adjustment_rows(before: Charge | None, move: ChargeAdjusted, minutes: MinutesReceipt) -> list[str]:
    """What an adjustment changes: minutes, lines and money, and how the call is computed now. Rule P3.

    `before` is the fact about the call before it, None when that is not there.
    """
    return [
        *_minutes_moved(before, minutes),
        *_time_rows(move, minutes),
        *_line_rows(move.lines, move.currency),
        f"{'costs now':<34} {format_money(move.receipt.amount_micros, move.currency):>12}",
        _rounding(move, minutes),
    ]


def paid_rows(move: Charge) -> list[str]:
    """Wallet and card. What is taken off the card had not been asked of it. Rules M5, P3 and P14."""
    before, after = (format_money(m, move.currency) for m in (move.balance_before_micros, move.balance_after_micros))
    wallet = flow(move.wallet_micros, move.currency, "from the wallet", "back to the wallet")
    card = flow(move.card_micros, move.currency, "on the card", "off the card, which had not been asked for it yet")
    rows = [f"{wallet}, {card}", f"balance {before} before, {after} after"]
    if move.card_micros > 0:
        rows.append(
            "the card is asked for all overage together: when it reaches the plan's threshold, and as a period ends"
        )
    return rows


def recomputed_row(receipt: Receipt, minutes: MinutesReceipt) -> str:
    """The charge once more, in the receipt's own integers. Rule G11."""
    times = f"{beyond_ms(minutes):,} ms x {minutes.rate_micros:,} micros a minute / {MINUTE_MS:,} ms"
    rounded = f"to whole {receipt.charge_quantum_micros:,}: {recompute(receipt, minutes):,}"
    return f"{times} = {_mixed(exact_micros(minutes))} micros, rounded {rounded}"


def _time_rows(move: Charge, minutes: MinutesReceipt) -> list[str]:
    used_after_ms = minutes.used_before_ms + minutes.rated_ms
    before, after = minutes_of(minutes.used_before_ms), minutes_of(used_after_ms)
    if not is_counted(move.receipt):
        return [f"does not count: {before} used before it and after it, of {minutes_of(minutes.pool_ms)} included"]
    steps = f"{minutes.increment_first_s}/{minutes.increment_next_s} s begun"
    left = minutes_of(max(0, minutes.pool_ms - minutes.used_before_ms))
    split = f"{minutes_of(minutes.from_pool_ms)} from the pool, {minutes_of(beyond_ms(minutes))} beyond it"
    return [
        f"{duration(move.billable_ms)} billable, in increments of {steps}: {minutes_of(minutes.rated_ms)}",
        f"pool of {minutes_of(minutes.pool_ms)}: {before} used before it, {left} left, {after} used after it",
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
            yield line_row(line, currency)


def _rounding(move: Charge, minutes: MinutesReceipt) -> str:
    """The exact product, and its one rounding. Rule G1."""
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
