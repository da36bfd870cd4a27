"""Whether what the facts say about one call adds up, whatever its plan. Rule G11."""

from collections import Counter
from collections.abc import Iterable, Iterator

from schemas.facts import Charge, ChargeAdjusted, Line, MinutesReceipt, Receipt
from schemas.money import format_money
from stream import credits_check, minutes_check
from stream.call_story import CallStory


def recompute(receipt: Receipt) -> int:
    """The charge in micros from the receipt alone."""
    if isinstance(receipt.minutes, MinutesReceipt):
        return minutes_check.recompute(receipt, receipt.minutes)
    return credits_check.recompute(receipt)


def faults(story: CallStory) -> list[str]:
    """What does not add up, a sentence each; empty when everything does."""
    found: list[str] = []
    if len(story.charges) > 1:
        found.append(f"the call was charged {len(story.charges)} times: {', '.join(c.id for c in story.charges)}")
    if story.adjustments and not story.charges:
        found.append(f"the charge {story.adjustments[0].adjusts} is not in these facts, only its adjustments are")
    cost_micros = 0
    for move in story.moves():
        cost_micros += move.amount_micros
        found += [f"{move.id}: {fault}" for fault in _faults_of(move)]
        if story.charges and cost_micros != move.receipt.amount_micros:
            found.append(
                f"{move.id}: charge and adjustments make {_money(cost_micros, move)},"
                f" its receipt says {_money(move.receipt.amount_micros, move)}"
            )
        if isinstance(move, ChargeAdjusted) and story.charges and move.adjusts != story.charges[0].id:
            found.append(f"{move.id} adjusts {move.adjusts}, which is not the charge of this call")
    if story.charges:
        found += minutes_check.card_faults(story.moves())
    return found + (list(_ledger_faults(story)) if story.has_ledger else [])


def _faults_of(move: Charge) -> Iterator[str]:
    receipt = move.receipt
    recomputed = recompute(receipt)
    if recomputed != receipt.amount_micros:
        yield f"recomputed {_money(recomputed, move)}, the receipt says {_money(receipt.amount_micros, move)}"
    if _sum(receipt.lines) != receipt.amount_micros:
        yield f"the receipt's lines sum to {_money(_sum(receipt.lines), move)}"
    if isinstance(receipt.minutes, MinutesReceipt):
        yield from minutes_check.arithmetic_faults(move, receipt.minutes)
    else:
        yield from credits_check.arithmetic_faults(move)
    if _sum(move.lines) != move.amount_micros:
        yield f"the lines sum to {_money(_sum(move.lines), move)}, not {_money(move.amount_micros, move)}"
    if move.wallet_micros + move.card_micros != move.amount_micros:
        yield f"wallet and card paid {_money(move.wallet_micros + move.card_micros, move)}"
    if move.balance_before_micros - move.wallet_micros != move.balance_after_micros:
        yield "the balance after is not the balance before less what the wallet paid"
    if not isinstance(receipt.minutes, MinutesReceipt):
        yield from credits_check.billing_faults(move)


def _ledger_faults(story: CallStory) -> Iterator[str]:
    """The ledger moved by what the wallet paid: what the card pays moves no wallet. Rule P18."""
    moved = Counter((m.caused_by, -m.wallet_micros, m.balance_after_micros) for m in story.moves() if m.wallet_micros)
    posted = Counter((e.caused_by, e.amount_micros, e.balance_after_micros) for e in story.entries)
    for cause, micros, _ in (moved - posted).elements():
        yield f"the ledger has no entry of {_signed(micros, story)} caused by input {cause}, with the balance after it"
    for cause, micros, _ in (posted - moved).elements():
        yield f"the ledger entry of {_signed(micros, story)} caused by input {cause} belongs to no charge or adjustment"


def _signed(micros: int, story: CallStory) -> str:
    currencies = [entry.currency for entry in story.entries] + [move.currency for move in story.moves()]
    return format_money(micros, currencies[0])


def _sum(lines: Iterable[Line]) -> int:
    return sum(line.amount_micros for line in lines)


def _money(micros: int, move: Charge) -> str:
    return format_money(micros, move.currency)
