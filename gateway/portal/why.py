"""Why a call costs what it costs: the sentence of `tollgate explain`, and its arithmetic as a table. Rule G11."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backoffice.explain.call_history import CallHistory, ExplainError, read_history
from backoffice.explain.check import cap_micros, faults, off_of
from backoffice.explain.sections import correction
from backoffice.explain.sentence import sentence
from backoffice.explain.wording import names
from gateway.portal.words import MINUS, Words
from schemas.facts import Charge, ChargeAdjusted, Line, MinutesReceipt

WHO = "This call"
TIMES = "\N{MULTIPLICATION SIGN}"
_LABELS = {
    "extra_call": "Extra call",
    "live_agent": "Live agent",
    "appointment_booking": "Appointment booking",
    "minutes": "Minutes beyond the included ones",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the arithmetic: what, how often at which price, and the amount. `total` marks sums."""

    label: str
    times: str
    amount_micros: int
    total: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """`rows` add up to the last one, which is the amount that moved in the wallet. `agrees` is whether everything about
    the call adds up.
    """

    sentence: str
    rows: tuple[Row, ...]
    agrees: bool


def history_of(snapshot: Mapping[str, Any], events: Iterable[Mapping[str, Any]], call_id: str) -> CallHistory | None:
    """The call, from its decision, its charge and its adjustments; None where they cannot explain it, because some of
    them are no longer kept. The snapshot gives the time zone.
    """
    facts = [dict(event) for event in (snapshot, *events)]
    try:
        return read_history(enumerate(facts, start=1), call_id, snapshot["account_id"])
    except ExplainError:
        return None


def why_of(history: CallHistory, move: Charge, words: Words) -> Why:
    """Why the wallet moved by this charge or adjustment."""
    said = sentence(history, WHO)
    if isinstance(move, ChargeAdjusted):
        said = f"Corrected, because {correction(move)}. {said}"
    return Why(said, tuple(_rows(move, words)), not faults(history))


def why_call(history: CallHistory, words: Words) -> Why | None:
    """Why a call costs what it costs now, whoever paid; None while nothing was charged."""
    latest = history.latest
    if latest is None:
        return None
    rows = [*_lines(latest.receipt.lines, latest, words)]
    paid = (sum(move.wallet_micros for move in history.moves()), sum(move.card_micros for move in history.moves()))
    if all(paid):
        rows += [Row("Of it from your credits", "", paid[0]), Row("Of it on your card", "", paid[1])]
    rows.append(Row("Cost of the call", "", latest.receipt.amount_micros, total=True))
    return Why(sentence(history, WHO), tuple(rows), not faults(history))


def _lines(lines: Iterable[Line], move: Charge, words: Words) -> Iterator[Row]:
    by_minutes = isinstance(move.receipt.minutes, MinutesReceipt)
    # On a minutes plan no feature is switched; only a redirected call has such a line.
    off = [] if by_minutes else list(off_of(move))
    for line in lines:
        times = _times(line, words, " min" if by_minutes else "")
        yield Row(_label(line, move, off, words), times, line.amount_micros)


def _rows(move: Charge, words: Words) -> Iterator[Row]:
    yield from _lines(move.lines, move, words)
    adjusted = isinstance(move, ChargeAdjusted)
    if not adjusted and not move.card_micros:
        yield Row("Charged", "", move.amount_micros, total=True)
        return
    yield Row("Change of the cost" if adjusted else "Cost of the call", "", move.amount_micros, total=True)
    if move.card_micros:
        yield Row("On your card" if move.card_micros > 0 else "Off your card", "", -move.card_micros)
    label = "Back to your credits" if move.wallet_micros < 0 else "From your credits"
    yield Row(label, "", abs(move.wallet_micros), total=True)


def _label(line: Line, move: Charge, off: list[str], words: Words) -> str:
    match line.kind:
        case "included":
            return "Included minutes" if isinstance(move.receipt.minutes, MinutesReceipt) else "Included call"
        case "cap":
            return f"At most {words.money(cap_micros(move.receipt))} a call"
        case "not_enabled":
            # A receipt has one such line for each feature, in the order of `off`; an adjustment may not.
            what = names([off.pop(0)] if off else [])
            return f"Not switched on, not charged: {what}" if what else "Not switched on, not charged"
        case kind:
            return _LABELS.get(kind, kind.replace("_", " ").capitalize())


def _times(line: Line, words: Words, unit: str) -> str:
    """How often at which price, such as 1.5 min at $0.11; nothing where there is no price."""
    quantity = f"{words.number(line.quantity)}{unit}".replace("-", MINUS)
    if line.kind == "cap" or not line.unit_amount_micros:
        return quantity if unit and line.kind == "included" else ""
    return f"{quantity} {TIMES} {words.money(line.unit_amount_micros)}"
