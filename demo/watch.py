"""Follows inputs and facts as they appear and keeps totals of them."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer

from demo.accounts import CREDITS_PLAN
from demo.changes import ASKED, Changes
from demo.checks.rows import InputRow
from demo.cluster import Offsets, header, seek
from demo.ticks import TICK_PREFIX
from demo.wire import INPUT_TOPIC
from stream.settings import Settings

# What the live view is made of. Ledger entries and snapshots are left to the audit: they are most of the bytes.
WATCHED = (
    INPUT_TOPIC,
    "call-decisions",
    "charges",
    "alerts",
    "refills",
    "payment-requests",
    "invoices",
    "dead-letters",
)
POLL_RECORDS_MAX = 5_000
BILLS = ("subscription", "invoice")
CREDITS, MINUTES = "credits plan", "minutes plans"
_ASKED_IN = tuple(f'{{"type":"{kind}"'.encode() for kind in ASKED)


class Seen(msgspec.Struct):
    """What the totals need of any fact."""

    type: str
    occurred_at: str
    amount_micros: int = 0
    wallet_micros: int = 0
    card_micros: int = 0
    reason: str = ""
    plan: str = ""
    status: str = ""
    purpose: str = ""
    payment_id: str = ""
    caused_by: str = ""


@dataclass(slots=True)
class Totals:
    """`facts` counts by (topic, type), `reasons` redirects, `dead_letters` codes, `calls` and `charged_micros` by
    product, `paid_micros` by who pays for minutes (`wallet`, `card`) and `receipts` for what cards have paid; `newest`
    is an RFC 3339 time.
    """

    facts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    charged_micros: Counter[str] = field(default_factory=Counter)
    paid_micros: Counter[str] = field(default_factory=Counter)
    changes: Changes = field(default_factory=Changes)
    renewals: int = 0
    asked_again: int = 0
    paid_at_issue: int = 0
    newest: str = ""

    def fact(self, topic: str, value: bytes) -> None:
        seen = msgspec.json.decode(value, type=Seen)
        self.facts[topic, seen.type] += 1
        self.newest = max(self.newest, seen.occurred_at)
        if topic == "charges":
            self._charge(seen)
        elif topic == "payment-requests":
            self._payment(seen)
        elif seen.type == "call-redirected":
            self.reasons[seen.reason] += 1
        elif seen.type == "receipt-issued":
            self.paid_micros["receipts"] += seen.amount_micros
        elif seen.type == "invoice-issued":
            self.paid_at_issue += seen.status == "paid"

    def _charge(self, seen: Seen) -> None:
        product = CREDITS if seen.plan == CREDITS_PLAN else MINUTES
        self.calls[product] += seen.type == "call-charged"
        self.charged_micros[product] += seen.amount_micros
        if product == MINUTES:
            self.paid_micros["wallet"] += seen.wallet_micros
            self.paid_micros["card"] += seen.card_micros

    def _payment(self, seen: Seen) -> None:
        """A fee that a tick asks for the first time is a renewal; each later attempt has a number of its own."""
        if seen.purpose in BILLS:
            first = seen.payment_id.endswith("/1")
            self.asked_again += not first
            self.renewals += first and seen.purpose == "subscription" and seen.caused_by.startswith(TICK_PREFIX)

    def input(self, value: bytes) -> None:
        """Most say nothing about subscriptions and are not even read."""
        if value.startswith(_ASKED_IN):
            self.changes.take(msgspec.json.decode(value, type=InputRow))

    def dead_letter(self, code: str) -> None:
        self.dead_letters[code] += 1

    def of(self, topic: str, *types: str) -> int:
        """How many facts of these types `topic` has had; of all types when none is named."""
        counts = self.types(topic)
        return sum(counts[kind] for kind in types) if types else counts.total()

    def types(self, topic: str) -> Counter[str]:
        """How many facts of each type `topic` has had."""
        return Counter({kind: count for (where, kind), count in self.facts.items() if where == topic})

    @property
    def invoices_paid(self) -> int:
        return self.paid_at_issue + self.of("invoices", "invoice-paid")


class Watch:
    """Reads the topics from `begin` on, in the middle of no group, so that it takes nothing from anybody."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings, begin: Offsets) -> None:
        self.totals = Totals()
        self._consumer = consumer
        self._names = {settings.topic(name): name for name in WATCHED}
        self._begin = {where: offset for where, offset in begin.items() if where.topic in self._names}
        seek(consumer, self._begin)

    async def behind(self, end: Offsets) -> bool:
        """Whether records before `end` have not been taken yet."""
        return any([await self._consumer.position(where) < end[where] for where in self._begin])

    async def poll(self, timeout_ms: int) -> None:
        """Take what has appeared; returns at once when something has."""
        batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=POLL_RECORDS_MAX)
        for where, batch in batches.items():
            topic = self._names[where.topic]
            for record in batch:
                if topic == "dead-letters":
                    self.totals.dead_letter(header(record, "errors.code"))
                elif topic == INPUT_TOPIC:
                    self.totals.input(record.value)
                else:
                    self.totals.fact(topic, record.value)
