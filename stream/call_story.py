"""What the facts say about one call. Rule G11."""

from collections.abc import Iterable
from dataclasses import dataclass, field
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
    MinutesReceipt,
    Receipt,
)

ToldFact = CallAdmitted | CallRedirected | CallCharged | ChargeAdjusted | CallStuck | LedgerEntryPosted
TOLD = frozenset(str(kind.__struct_config__.tag) for kind in ToldFact.__args__)
FEATURES = ("live_agent", "appointment_booking")
_CALL_ENTRIES = ("charge", "adjustment")


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

    @property
    def is_by_minutes(self) -> bool:
        """Whether it was charged on a minutes plan: a call keeps the plan that it started under (rule G9)."""
        return self.latest is not None and isinstance(self.latest.receipt.minutes, MinutesReceipt)

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
        told = cast("ToldFact", msgspec.convert(fact, ToldFact))
    except msgspec.ValidationError as error:
        raise ExplainError(f"fact {number} is no {fact['type']} of the contract: {error}") from None
    if isinstance(told, Charge) and not _has_terms(told.receipt):
        raise ExplainError(f"fact {number} cannot be explained: its receipt lacks the terms that it was charged by")
    return told


def _has_terms(receipt: Receipt) -> bool:
    """Whether it says by what it was charged: a minutes plan's terms, or a credits plan's."""
    if receipt.charge_quantum_micros < 1:
        return False
    if isinstance(receipt.minutes, MinutesReceipt):
        return receipt.minutes.increment_first_s > 0 and receipt.minutes.increment_next_s > 0
    return isinstance(receipt.cap_micros, int) and isinstance(receipt.calls_included, int)


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
