"""Checks whether the facts about one call add up: the whole history, and the charge of a credits plan computed again
from its receipt. `minutes_check` computes the charge of a minutes plan. Rules C2 to C6, C11, G1 and G11.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction

from backoffice.explain import minutes_check
from backoffice.explain.call_history import FEATURES, CallHistory, is_counted
from backoffice.explain.wording import THE_CALL
from schemas.facts import Charge, ChargeAdjusted, Line, MinutesReceipt, Receipt
from schemas.money import format_money, round_half_up

# Lines without a price of their own: they are computed from other fields of the receipt.
_UNPRICED = frozenset({"cap", "included", "not_enabled"})


def faults(history: CallHistory) -> list[str]:
    """Everything that does not add up, one sentence each; empty when everything does."""
    found: list[str] = []
    if len(history.charges) > 1:
        found.append(f"the call was charged {len(history.charges)} times: {', '.join(c.id for c in history.charges)}")
    if history.adjustments and not history.charges:
        found.append(f"the charge {history.adjustments[0].adjusts} is missing; the file has only its adjustments")
    cost_micros = 0
    for move in history.moves():
        cost_micros += move.amount_micros
        found += [f"{move.id}: {fault}" for fault in _faults_of(move)]
        if history.charges and cost_micros != move.receipt.amount_micros:
            found.append(
                f"{move.id}: charge and adjustments sum to {_money(cost_micros, move)},"
                f" its receipt has {_money(move.receipt.amount_micros, move)}"
            )
        if isinstance(move, ChargeAdjusted) and history.charges and move.adjusts != history.charges[0].id:
            found.append(f"{move.id} adjusts {move.adjusts}, which is not the charge of this call")
    if history.charges:
        found += _card_faults(history.moves())
    return found + (list(_ledger_faults(history)) if history.has_ledger else [])


def recompute(receipt: Receipt) -> int:
    """The charge in micros, from the receipt alone."""
    if isinstance(receipt.minutes, MinutesReceipt):
        return minutes_check.recompute(receipt, receipt.minutes)
    return _recompute_credits(receipt)


def _faults_of(move: Charge) -> Iterator[str]:
    receipt = move.receipt
    recomputed = recompute(receipt)
    if recomputed != receipt.amount_micros:
        yield f"recomputed {_money(recomputed, move)}, the receipt has {_money(receipt.amount_micros, move)}"
    if _sum(receipt.lines) != receipt.amount_micros:
        yield f"the receipt's lines sum to {_money(_sum(receipt.lines), move)}"
    if isinstance(receipt.minutes, MinutesReceipt):
        yield from minutes_check.arithmetic_faults(move, receipt.minutes)
    else:
        yield from _arithmetic_faults(move)
    if _sum(move.lines) != move.amount_micros:
        yield f"the lines sum to {_money(_sum(move.lines), move)}, not {_money(move.amount_micros, move)}"
    if move.wallet_micros + move.card_micros != move.amount_micros:
        yield f"wallet and card paid {_money(move.wallet_micros + move.card_micros, move)} together"
    if move.balance_before_micros - move.wallet_micros != move.balance_after_micros:
        yield "the balance after it is not the balance before it minus what the wallet paid"
    if not isinstance(receipt.minutes, MinutesReceipt):
        yield from _billing_faults(move)


def _card_faults(moves: list[Charge]) -> Iterator[str]:
    """A call gives back to the card at most what it put on the card. Rule P3."""
    on_card_micros = 0
    for move in moves:
        on_card_micros += move.card_micros
        if on_card_micros < 0:
            excess = format_money(-on_card_micros, move.currency)
            yield f"{move.id}: the card got back {excess} more than this call had charged to it"
            return


def _ledger_faults(history: CallHistory) -> Iterator[str]:
    """The ledger must have one entry for each amount that the wallet paid, and none for the card's part. Rule P18."""
    moves = history.moves()
    moved = Counter((m.caused_by, -m.wallet_micros, m.balance_after_micros) for m in moves if m.wallet_micros)
    posted = Counter((e.caused_by, e.amount_micros, e.balance_after_micros) for e in history.entries)
    for cause, micros, _ in (moved - posted).elements():
        amount = _in_currency(micros, history)
        yield f"the ledger has no entry of {amount} caused by input {cause}, with the balance after it"
    for cause, micros, _ in (posted - moved).elements():
        amount = _in_currency(micros, history)
        yield f"the ledger entry of {amount} caused by input {cause} belongs to no charge or adjustment"


def _in_currency(micros: int, history: CallHistory) -> str:
    currencies = [entry.currency for entry in history.entries] + [move.currency for move in history.moves()]
    return format_money(micros, currencies[0])


def _sum(lines: Iterable[Line]) -> int:
    return sum(line.amount_micros for line in lines)


def _money(micros: int, move: Charge) -> str:
    return format_money(micros, move.currency)


def calls_included(receipt: Receipt) -> int:
    """Calls that a credits plan includes in a period. Rule C2."""
    assert isinstance(receipt.calls_included, int), "read_history rejects a receipt without its plan's terms"
    return receipt.calls_included


def cap_micros(receipt: Receipt) -> int:
    """The most that one call can cost on a credits plan. Rule C6."""
    assert isinstance(receipt.cap_micros, int), "read_history rejects a receipt without its plan's terms"
    return receipt.cap_micros


def is_extra(charge: Charge) -> bool:
    """Whether the call was beyond the included calls of its period. Rule C3."""
    return (charge.ordinal or 0) > calls_included(charge.receipt)


def not_enabled(charge: Charge) -> list[str]:
    """Features that the call used but that were off, or inactive at admission, so not billed. Rules C11 and P2."""
    receipt = charge.receipt
    if not is_counted(receipt):
        return []
    used = [feature for feature in FEATURES if feature in receipt.features_used]
    if is_extra(charge):
        used.insert(0, "extra_calls")
    return [feature for feature in used if feature not in receipt.features_active]


def off_of(charge: Charge) -> list[str]:
    """What the `not_enabled` lines of the receipt are for, in their order. Rule P4."""
    return [THE_CALL] if charge.receipt.gate == "redirected" else not_enabled(charge)


def _recompute_credits(receipt: Receipt) -> int:
    """Quantities times units, capped, rounded once. Rules C6 and G1."""
    cap = cap_micros(receipt)
    total = sum((_exact(line) for line in receipt.lines if line.kind not in _UNPRICED), Fraction(0))
    parts, whole = min(total, Fraction(cap)).as_integer_ratio()
    rounded = round_half_up(parts, receipt.charge_quantum_micros * whole) // whole
    if rounded > cap:
        return cap // receipt.charge_quantum_micros * receipt.charge_quantum_micros
    return rounded


def _exact(line: Line) -> Fraction:
    """Quantity times unit. A quantity may have decimals: it is read as decimal text, never computed as a float."""
    return Fraction(str(line.quantity)) * line.unit_amount_micros


def _arithmetic_faults(move: Charge) -> Iterator[str]:
    """Lines of the receipt, and its unrounded cost, that do not follow from their own numbers."""
    receipt = move.receipt
    if sum(map(_exact, receipt.lines)) != receipt.unrounded_micros:
        unrounded = format_money(receipt.unrounded_micros, move.currency)
        yield f"the lines, quantity times unit amount, do not sum to the unrounded {unrounded}"
    rounded = receipt.unrounded_micros != _recompute_credits(receipt)
    if sum(line.amount_micros != _exact(line) for line in receipt.lines) > rounded:
        yield "a line of the receipt is not quantity times unit amount, and rounding does not explain it"


def _billing_faults(move: Charge) -> Iterator[str]:
    """Lines that are missing or extra for what the receipt itself records. Rules C2 to C5 and C11."""
    billed = {line.kind for line in move.receipt.lines} - _UNPRICED
    billable = _billable(move)
    if billed != billable:
        yield f"the receipt bills {_names(billed)}; by what it records, it should bill {_names(billable)}"


def _billable(move: Charge) -> set[str]:
    receipt = move.receipt
    if not is_counted(receipt):
        return set()
    used = {feature for feature in FEATURES if feature in receipt.features_used and feature in receipt.features_active}
    return used | ({"extra_call"} if is_extra(move) and "extra_calls" in receipt.features_active else set())


def _names(kinds: set[str]) -> str:
    return ", ".join(sorted(kinds)) or "nothing"
