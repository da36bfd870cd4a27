"""The published facts about one call. Rule G11."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from schemas.alerts import CallStuck
from schemas.facts import (
    CallAdmitted,
    CallCharged,
    CallRedirected,
    Charge,
    ChargeAdjusted,
    LedgerEntryPosted,
    MinutesReceipt,
    Receipt,
    call_in_id,
)
from schemas.zones import is_zone

CallFact = CallAdmitted | CallRedirected | CallCharged | ChargeAdjusted | CallStuck | LedgerEntryPosted
CALL_FACT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in CallFact.__args__)
FEATURES = ("live_agent", "appointment_booking")
_CALL_ENTRIES = ("charge", "adjustment")
UTC = "UTC"


class ExplainError(Exception):
    """These facts cannot explain the call. The message gives the reason and the remedy."""


@dataclass(slots=True)
class CallHistory:
    """Every fact about one call, in the order of the file. `entries` are its ledger entries. `refused` answers a start
    that was refused (rule X2): it is no decision about the call, and a later start may have one.

    `has_ledger` is whether the file holds any ledger entry of the account: only then is a missing entry a fault.
    `time_zone` is the account's own, from any alert, invoice or receipt of it in the file; UTC without one.
    """

    account_id: str
    call_id: str
    admitted: CallAdmitted | None = None
    redirected: CallRedirected | None = None
    refused: CallRedirected | None = None
    stuck: CallStuck | None = None
    charges: list[CallCharged] = field(default_factory=list)
    adjustments: list[ChargeAdjusted] = field(default_factory=list)
    entries: list[LedgerEntryPosted] = field(default_factory=list)
    has_ledger: bool = False
    time_zone: str = UTC

    @property
    def charged(self) -> CallCharged | None:
        return self.charges[0] if self.charges else None

    @property
    def latest(self) -> Charge | None:
        """The fact whose receipt gives the current cost of the call."""
        return self.adjustments[-1] if self.adjustments else self.charged

    @property
    def is_by_minutes(self) -> bool:
        """Whether the call was charged on a minutes plan. A call keeps the plan that it started under (rule G9)."""
        return self.latest is not None and isinstance(self.latest.receipt.minutes, MinutesReceipt)

    def moves(self) -> list[Charge]:
        """The charges, then the adjustments."""
        return [*self.charges, *self.adjustments]

    def add(self, fact: CallFact) -> None:
        match fact:
            case CallAdmitted():
                self.admitted = fact
            case CallRedirected(reason="refused"):
                self.refused = fact
            case CallRedirected():
                self.redirected = fact
            case CallStuck():
                self.stuck = fact
            case CallCharged():
                self.charges.append(fact)
            case ChargeAdjusted():
                self.adjustments.append(fact)
            case LedgerEntryPosted():
                self.entries.append(fact)


def read_history(facts: Iterable[tuple[int, dict[str, Any]]], call_id: str, account_id: str | None) -> CallHistory:
    """The history of a call from numbered facts. Ignores facts of other types; a repeated fact counts once.

    Raises ExplainError when no fact is about the call, when several accounts have such a call and `account_id` is
    None, and when a fact about the call does not match the contract.
    """
    histories: dict[str, CallHistory] = {}
    seen: dict[str, CallFact] = {}
    ledgers: set[str] = set()
    zones: dict[str, str] = {}
    number = 0
    for number, fact in facts:
        kind = fact.get("type")
        if kind == "ledger-entry-posted":
            ledgers.add(str(fact.get("account_id")))
        if "time_zone" in fact:
            zones[str(fact.get("account_id"))] = str(fact["time_zone"])
        if not isinstance(kind, str) or kind not in CALL_FACT_TYPES or not _is_about(fact, call_id, account_id):
            continue
        call_fact = _convert(number, fact)
        if call_fact.id in seen:
            if seen[call_fact.id] != call_fact:
                raise ExplainError(
                    f"event {call_fact.id} occurs twice with different content; the second is event {number}"
                )
            continue
        seen[call_fact.id] = call_fact
        histories.setdefault(call_fact.account_id, CallHistory(call_fact.account_id, call_id)).add(call_fact)
    history = _only(histories, call_id, account_id, number)
    history.has_ledger = history.account_id in ledgers
    zone = zones.get(history.account_id, UTC)
    history.time_zone = zone if is_zone(zone) else UTC
    return history


def _is_about(fact: dict[str, Any], call_id: str, account_id: str | None) -> bool:
    if account_id is not None and fact.get("account_id") != account_id:
        return False
    if fact["type"] == "ledger-entry-posted":
        return fact.get("reference") == call_in_id(call_id) and fact.get("kind") in _CALL_ENTRIES
    return bool(fact.get("call_id") == call_id)


def _convert(number: int, fact: dict[str, Any]) -> CallFact:
    try:
        converted = cast("CallFact", msgspec.convert(fact, CallFact))
    except msgspec.ValidationError as error:
        raise ExplainError(f"event {number} is not a valid {fact['type']}: {error}") from None
    if isinstance(converted, Charge) and not _has_terms(converted.receipt):
        raise ExplainError(
            f"event {number} cannot be explained: its receipt lacks the plan terms that the charge was computed with"
        )
    return converted


def _has_terms(receipt: Receipt) -> bool:
    """Whether the receipt has the terms of its plan: those of a minutes plan, or those of a credits plan."""
    if receipt.charge_quantum_micros < 1:
        return False
    if isinstance(receipt.minutes, MinutesReceipt):
        return receipt.minutes.increment_first_s > 0 and receipt.minutes.increment_next_s > 0
    return isinstance(receipt.cap_micros, int) and isinstance(receipt.calls_included, int)


def _only(histories: dict[str, CallHistory], call_id: str, account_id: str | None, read: int) -> CallHistory:
    if not histories:
        whose = "" if account_id is None else f" of account {account_id}"
        raise ExplainError(
            f"none of the {read:,} events in the file is about call {call_id}{whose}: check the file and the call id"
            " (the file must have published events; `tollgate replay` makes them from inputs)"
        )
    if len(histories) > 1:
        raise ExplainError(f"several accounts have call {call_id}: choose one with --account ({', '.join(histories)})")
    return next(iter(histories.values()))


def is_counted(receipt: Receipt) -> bool:
    """Whether the call was answered, real and not redirected: only such a call costs and counts. Rules P4 and P5."""
    return (
        receipt.gate != "redirected"
        and receipt.outcome != "redirected"
        and receipt.answered_at is not None
        and receipt.real
    )
