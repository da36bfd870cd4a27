"""What the facts say about one call, and whether it adds up. Rule G11."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import msgspec

from schemas.facts import (
    CallAdmitted,
    CallCharged,
    CallRedirected,
    CallStuck,
    Charge,
    ChargeAdjusted,
    LedgerEntryPosted,
    Line,
    Receipt,
)
from schemas.money import format_money, round_half_up

ToldFact = CallAdmitted | CallRedirected | CallCharged | ChargeAdjusted | CallStuck | LedgerEntryPosted
TOLD = frozenset(str(kind.__struct_config__.tag) for kind in ToldFact.__args__)
FEATURES = ("live_agent", "appointment_booking")
_CALL_ENTRIES = ("charge", "adjustment")
# Lines that carry no price: what is computed from them is told by the receipt's own fields.
_PRICED_ELSEWHERE = frozenset({"cap", "included", "not_enabled"})


class ExplainError(Exception):
    """The call cannot be explained from these facts. The message says why and what to do."""


@dataclass(slots=True)
class CallStory:
    """Every fact about one call, in the order of the file. `entries` are its ledger entries.

    `has_ledger` when the file holds any ledger entry of the account: only then is a missing one a fault.
    """

    account_id: str
    call_id: str
    admitted: CallAdmitted | None = None
    redirected: CallRedirected | None = None
    stuck: CallStuck | None = None
    charges: list[CallCharged] = field(default_factory=list)
    adjustments: list[ChargeAdjusted] = field(default_factory=list)
    entries: list[LedgerEntryPosted] = field(default_factory=list)
    has_ledger: bool = False

    @property
    def charged(self) -> CallCharged | None:
        return self.charges[0] if self.charges else None

    @property
    def latest(self) -> Charge | None:
        """The fact whose receipt tells what the call costs now."""
        return self.adjustments[-1] if self.adjustments else self.charged

    def moves(self) -> list[Charge]:
        return [*self.charges, *self.adjustments]


def read_story(facts: Iterable[tuple[int, dict[str, Any]]], call_id: str, account_id: str | None) -> CallStory:
    """The story of a call from numbered facts. Facts of other types are passed over; one that comes
    twice counts once.

    Raises ExplainError when nothing tells of the call, when several accounts have such a call and none is named, and
    when a fact about it has another shape than the contract's.
    """
    stories: dict[str, CallStory] = {}
    seen: dict[str, ToldFact] = {}
    ledgers: set[str] = set()
    number = 0
    for number, fact in facts:
        kind = fact.get("type")
        if kind == "ledger-entry-posted":
            ledgers.add(str(fact.get("account_id")))
        if not isinstance(kind, str) or kind not in TOLD or not _is_about(fact, call_id, account_id):
            continue
        told = _convert(number, fact)
        if told.id in seen:
            if seen[told.id] != told:
                raise ExplainError(f"fact {told.id} is there twice with different content (again at {number})")
            continue
        seen[told.id] = told
        _tell(stories.setdefault(told.account_id, CallStory(told.account_id, call_id)), told)
    story = _only(stories, call_id, account_id, number)
    story.has_ledger = story.account_id in ledgers
    return story


def _is_about(fact: dict[str, Any], call_id: str, account_id: str | None) -> bool:
    if account_id is not None and fact.get("account_id") != account_id:
        return False
    if fact["type"] == "ledger-entry-posted":
        return fact.get("reference") == call_id and fact.get("kind") in _CALL_ENTRIES
    return bool(fact.get("call_id") == call_id)


def _convert(number: int, fact: dict[str, Any]) -> ToldFact:
    try:
        return cast("ToldFact", msgspec.convert(fact, ToldFact))
    except msgspec.ValidationError as error:
        raise ExplainError(f"fact {number} is no {fact['type']} of the contract: {error}") from None


def _tell(story: CallStory, fact: ToldFact) -> None:
    match fact:
        case CallAdmitted():
            story.admitted = fact
        case CallRedirected():
            story.redirected = fact
        case CallStuck():
            story.stuck = fact
        case CallCharged():
            story.charges.append(fact)
        case ChargeAdjusted():
            story.adjustments.append(fact)
        case LedgerEntryPosted():
            story.entries.append(fact)


def _only(stories: dict[str, CallStory], call_id: str, account_id: str | None, read: int) -> CallStory:
    if not stories:
        whose = "" if account_id is None else f" of account {account_id}"
        raise ExplainError(
            f"call {call_id}{whose} is not in these facts: none of {read:,} names it."
            " Is it the right file, and the right call id?"
        )
    if len(stories) > 1:
        raise ExplainError(f"call {call_id} is in several accounts: say which with --account ({', '.join(stories)})")
    return next(iter(stories.values()))


def is_counted(receipt: Receipt) -> bool:
    """Answered, real, not redirected: what costs and counts. Rules P4 and P5."""
    return (
        receipt.gate != "redirected"
        and receipt.outcome != "redirected"
        and receipt.answered_at is not None
        and receipt.real
    )


def is_extra(charge: Charge) -> bool:
    """Whether the call was beyond the included ones of its period. Rule C3."""
    return (charge.ordinal or 0) > charge.receipt.calls_included


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
    total = sum((_exact(line) for line in receipt.lines if line.kind not in _PRICED_ELSEWHERE), Fraction(0))
    parts, whole = min(total, Fraction(receipt.cap_micros)).as_integer_ratio()
    rounded = round_half_up(parts, receipt.charge_quantum_micros * whole) // whole
    if rounded > receipt.cap_micros:
        return receipt.cap_micros // receipt.charge_quantum_micros * receipt.charge_quantum_micros
    return rounded


def _exact(line: Line) -> Fraction:
    """Quantity times unit. A quantity of minutes may have decimals: read as written, never as a float."""
    return Fraction(str(line.quantity)) * line.unit_amount_micros


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
        found += _faults_of(move)
        if story.charges and cost_micros != move.receipt.amount_micros:
            found.append(
                f"{move.id}: charge and adjustments make {_money(cost_micros, move)},"
                f" its receipt says {_money(move.receipt.amount_micros, move)}"
            )
        if isinstance(move, ChargeAdjusted) and story.charges and move.adjusts != story.charges[0].id:
            found.append(f"{move.id} adjusts {move.adjusts}, which is not the charge of this call")
    return found + (list(_ledger_faults(story)) if story.has_ledger else [])


def _faults_of(move: Charge) -> Iterator[str]:
    receipt, name = move.receipt, move.id
    recomputed = recompute(receipt)
    if recomputed != receipt.amount_micros:
        yield f"{name}: recomputed {_money(recomputed, move)}, the receipt says {_money(receipt.amount_micros, move)}"
    if _sum(receipt.lines) != receipt.amount_micros:
        yield f"{name}: the receipt's lines sum to {_money(_sum(receipt.lines), move)}"
    if sum(map(_exact, receipt.lines)) != receipt.unrounded_micros:
        yield f"{name}: quantities times units do not make the unrounded {_money(receipt.unrounded_micros, move)}"
    if sum(line.amount_micros != _exact(line) for line in receipt.lines) > (receipt.unrounded_micros != recomputed):
        yield f"{name}: a line of the receipt is not its quantity times its unit, and that is not the rounding"
    if _sum(move.lines) != move.amount_micros:
        yield f"{name}: the lines sum to {_money(_sum(move.lines), move)}, not {_money(move.amount_micros, move)}"
    if move.wallet_micros + move.card_micros != move.amount_micros:
        yield f"{name}: wallet and card paid {_money(move.wallet_micros + move.card_micros, move)}"
    if move.balance_before_micros - move.wallet_micros != move.balance_after_micros:
        yield f"{name}: the balance after is not the balance before less what the wallet paid"
    billed, billable = _billed(receipt), _billable(move)
    if billed != billable:
        yield f"{name}: billed are {_names(billed)}, by its own receipt it should be {_names(billable)}"


def _billed(receipt: Receipt) -> set[str]:
    return {line.kind for line in receipt.lines} - _PRICED_ELSEWHERE


def _billable(move: Charge) -> set[str]:
    """The lines that the receipt's own circumstances call for. Rules C2 to C5 and C11."""
    receipt = move.receipt
    if not is_counted(receipt):
        return set()
    used = {feature for feature in FEATURES if feature in receipt.features_used and feature in receipt.features_active}
    return used | ({"extra_call"} if is_extra(move) and "extra_calls" in receipt.features_active else set())


def _ledger_faults(story: CallStory) -> Iterator[str]:
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


def _names(kinds: set[str]) -> str:
    return ", ".join(sorted(kinds)) or "nothing"
