"""Months of the demo in memory, and events for reports by hand."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from aiokafka import ConsumerRecord

from demo.checks.evidence import Evidence
from demo.traffic import TrafficSettings, records
from demo.verify import Audit
from demo.wire import INPUT_TOPIC
from schemas.instant import parse_instant
from tests.demo.world import World

Event = dict[str, Any]

IN_JANUARY, IN_FEBRUARY = "2026-01-20T10:00:00Z", "2026-02-10T10:00:00Z"
DOLLAR = 1_000_000
FEE = [("subscription", "Dental, monthly fee", 30 * DOLLAR)]


class Recording(Audit):
    """An audit that keeps the published values of each topic."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[bytes]] = {}

    def take(self, topic: str, record: ConsumerRecord) -> None:
        if topic not in {INPUT_TOPIC, "dead-letters"}:
            self.values.setdefault(topic, []).append(record.value)
        super().take(topic, record)


@cache
def demo_month() -> tuple[dict[str, list[bytes]], Evidence]:
    """What a month of both products published, topic by topic, and the audit's rows of it."""
    start = parse_instant("2026-01-01T00:00:00Z")
    settings = TrafficSettings(midnight_ms=start, accounts=120, calls=5_000, partitions=2, signing_key=b"k")
    recording = Recording()
    world = World(settings, 50, recording)
    world.play(records(settings))
    return recording.values, recording.evidence


def jsonl(events: Iterable[Event]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


class Ledger:
    """Events of one account, each with the fields that a report reads."""

    def __init__(self, account_id: str = "a1", currency: str = "USD", plan: str = "free") -> None:
        self.account_id, self.currency, self.plan = account_id, currency, plan
        self.balance_micros = 0
        self.entries = 0
        self.invoices = 0
        self.events: list[Event] = []

    def add(self, event_type: str, name: str, at: str, /, **fields: Any) -> "Ledger":
        head = {"type": event_type, "id": f"{self.account_id}/{name}", "account_id": self.account_id, "occurred_at": at}
        self.events.append({**head, "caused_by": name, "currency": self.currency, **fields})
        return self

    def posted(self, at: str, kind: str, micros: int, reference: str = "r", caused_by: str = "in") -> "Ledger":
        self.entries += 1
        self.balance_micros += micros
        name = f"ledger/{self.entries}"
        balance = {"balance_after_micros": self.balance_micros, "entry_id": f"{self.account_id}/{name}"}
        moved = {"kind": kind, "amount_micros": micros, "reference": reference, "caused_by": caused_by}
        return self.add("ledger-entry-posted", name, at, **moved, **balance)

    def received(self, at: str, purpose: str, micros: int, payment: str = "p", **fields: Any) -> "Ledger":
        name = f"{self.account_id}/{payment}"
        paid = {"receipt_id": f"{name}/receipt", "payment_id": name, "purpose": purpose, "amount_micros": micros}
        card = {"brand": "visa", "last4": "4242", "time_zone": "UTC"}
        return self.add("receipt-issued", f"{payment}/receipt", at, **paid, **card, **fields)

    def bought(self, at: str, micros: int, payment: str = "p") -> "Ledger":
        return self.received(at, "purchase", micros, payment).posted(at, "purchase", micros)

    def charged(self, at: str, call: str, wallet: int, card: int = 0, kind: str = "call-charged") -> "Ledger":
        """A call, or a correction of it, with its ledger entry."""
        parts = {"amount_micros": wallet + card, "wallet_micros": wallet, "card_micros": card}
        self.add(kind, f"{call}/{kind}", at, plan=self.plan, receipt={"started_at": at}, **parts)
        if wallet:
            self.posted(at, "charge" if kind == "call-charged" else "adjustment", -wallet, call)
        return self

    def invoiced(self, at: str, lines: list[tuple[str, str, int]], **fields: Any) -> "Ledger":
        """`lines` are kind, description and amount. The period is January."""
        self.invoices += 1
        name = f"invoice/{self.invoices}"
        found = [{"kind": kind, "description": text, "amount_micros": micros} for kind, text, micros in lines]
        period = {"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z", "time_zone": "UTC"}
        money = {"total_micros": sum(micros for *_, micros in lines), "tax_micros": 0, "carried_micros": 0}
        state = {"open_micros": 0, "status": "paid", "lines": found, "number": self.invoices}
        ids = {"invoice_id": f"{self.account_id}/{name}"}
        return self.add("invoice-issued", f"{name}/issued", at, **ids | period | money | state | fields)


def complete() -> Ledger:
    """An account of which nothing is missing."""
    ledger = Ledger().bought(IN_JANUARY, 20 * DOLLAR).charged(IN_JANUARY, "c1", 3 * DOLLAR, DOLLAR)
    ledger.charged(IN_JANUARY, "c1", -DOLLAR, kind="charge-adjusted").invoiced(IN_JANUARY, FEE)
    return ledger.invoiced("2026-01-25T00:00:00Z", FEE).bought(IN_FEBRUARY, DOLLAR, "p2")
