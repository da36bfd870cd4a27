"""A charge of a credits plan, computed again from its receipt. Rules C2 to C6, C11 and G1."""

from collections.abc import Iterator
from fractions import Fraction

from schemas.facts import Charge, Line, Receipt
from schemas.money import format_money, round_half_up
from stream.call_story import FEATURES, is_counted

# Lines that carry no price: what is computed from them is told by the receipt's own fields.
_PRICED_ELSEWHERE = frozenset({"cap", "included", "not_enabled"})


def calls_included(receipt: Receipt) -> int:
    """Of the plan, in a period. Rule C2."""
    assert isinstance(receipt.calls_included, int), "read_story takes no receipt without its plan's terms"
    return receipt.calls_included


def cap_micros(receipt: Receipt) -> int:
    """The most that one call can cost. Rule C6."""
    assert isinstance(receipt.cap_micros, int), "read_story takes no receipt without its plan's terms"
    return receipt.cap_micros


def is_extra(charge: Charge) -> bool:
    """Whether the call was beyond the included ones of its period. Rule C3."""
    return (charge.ordinal or 0) > calls_included(charge.receipt)


def not_enabled(charge: Charge) -> list[str]:
    """What the call used that was off, or inactive at admission, and therefore not billed. Rules C11 and P2."""
    receipt = charge.receipt
    if not is_counted(receipt):
        return []
    used = [feature for feature in FEATURES if feature in receipt.features_used]
    if is_extra(charge):
        used.insert(0, "extra_calls")
    return [feature for feature in used if feature not in receipt.features_active]


def recompute(receipt: Receipt) -> int:
    """The charge in micros from the receipt alone: quantities times units, capped, rounded once. Rules C6 and G1."""
    cap = cap_micros(receipt)
    total = sum((_exact(line) for line in receipt.lines if line.kind not in _PRICED_ELSEWHERE), Fraction(0))
    parts, whole = min(total, Fraction(cap)).as_integer_ratio()
    rounded = round_half_up(parts, receipt.charge_quantum_micros * whole) // whole
    if rounded > cap:
        return cap // receipt.charge_quantum_micros * receipt.charge_quantum_micros
    return rounded


def _exact(line: Line) -> Fraction:
    """Quantity times unit. A quantity may have decimals: read as written, never as a float."""
    return Fraction(str(line.quantity)) * line.unit_amount_micros


def arithmetic_faults(move: Charge) -> Iterator[str]:
    """Where the lines of the receipt and its unrounded cost are not what their own numbers make."""
    receipt = move.receipt
    if sum(map(_exact, receipt.lines)) != receipt.unrounded_micros:
        unrounded = format_money(receipt.unrounded_micros, move.currency)
        yield f"quantities times units do not make the unrounded {unrounded}"
    rounded = receipt.unrounded_micros != recompute(receipt)
    if sum(line.amount_micros != _exact(line) for line in receipt.lines) > rounded:
        yield "a line of the receipt is not its quantity times its unit, and that is not the rounding"


def billing_faults(move: Charge) -> Iterator[str]:
    """Where the lines are not those that the receipt's own circumstances call for. Rules C2 to C5 and C11."""
    billed = {line.kind for line in move.receipt.lines} - _PRICED_ELSEWHERE
    billable = _billable(move)
    if billed != billable:
        yield f"billed are {_names(billed)}, by its own receipt it should be {_names(billable)}"


def _billable(move: Charge) -> set[str]:
    receipt = move.receipt
    if not is_counted(receipt):
        return set()
    used = {feature for feature in FEATURES if feature in receipt.features_used and feature in receipt.features_active}
    return used | ({"extra_call"} if is_extra(move) and "extra_calls" in receipt.features_active else set())


def _names(kinds: set[str]) -> str:
    return ", ".join(sorted(kinds)) or "nothing"
