"""Reads inputs and facts as they appear and keeps totals."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer

from demo.accounts import CREDITS_PLAN
from demo.checks.rows import InputRow
from demo.cluster import Offsets, header, seek
from demo.subscription_changes import COUNTED_TYPES, SubscriptionChanges
from demo.ticks import TICK_PREFIX
from demo.wire import INPUT_TOPIC
from schemas.plan_prices import DEFAULT_CURRENCY
from stream.settings import Settings

# The topics of the live view. Only the audit reads ledger entries and snapshots: they are most of the bytes.
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
RETRIED_PURPOSES = ("subscription", "invoice")
CREDITS, MINUTES = "credits plan", "minutes plans"
_COUNTED_PREFIXES = tuple(f'{{"type":"{kind}"'.encode() for kind in COUNTED_TYPES)


Money = Counter[tuple[str, str]]  # Micros by name and currency.


class FactRow(msgspec.Struct):
    """The fields of any fact that the totals use."""

    type: str
    occurred_at: str | None
    currency: str = DEFAULT_CURRENCY
    amount_micros: int = 0
    wallet_micros: int = 0
    card_micros: int = 0
    reason: str = ""
    plan: str = ""
    status: str = ""
    purpose: str = ""
    payment_id: str = ""
    caused_by: str | None = None


@dataclass(slots=True)
class Totals:
    """Counts: `facts` by (topic, type), `reasons` of redirects, `dead_letters` by code, `calls` by product.

    Money is by name and currency: `charged_micros` by product; `paid_micros` for minutes by `wallet` and `card`, and
    the sum of `receipts`.
    `newest` is the latest RFC 3339 time of a fact.
    """

    facts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    charged_micros: Money = field(default_factory=Counter)
    paid_micros: Money = field(default_factory=Counter)
    changes: SubscriptionChanges = field(default_factory=SubscriptionChanges)
    renewals: int = 0
    retried: int = 0
    paid_at_issue: int = 0
    newest: str = ""

    def fact(self, topic: str, value: bytes) -> None:
        fact = msgspec.json.decode(value, type=FactRow)
        self.facts[topic, fact.type] += 1
        if fact.reason != "refused":  # The time of a refused start may be any, or none.
            self.newest = max(self.newest, fact.occurred_at or "")
        if topic == "charges":
            self._charge(fact)
        elif topic == "payment-requests":
            self._payment(fact)
        elif fact.type == "call-redirected":
            self.reasons[fact.reason] += 1
        elif fact.type == "receipt-issued":
            self.paid_micros["receipts", fact.currency] += fact.amount_micros
        elif fact.type == "invoice-issued":
            self.paid_at_issue += fact.status == "paid"

    def _charge(self, fact: FactRow) -> None:
        product = CREDITS if fact.plan == CREDITS_PLAN else MINUTES
        self.calls[product] += fact.type == "call-charged"
        self.charged_micros[product, fact.currency] += fact.amount_micros
        if product == MINUTES:
            self.paid_micros["wallet", fact.currency] += fact.wallet_micros
            self.paid_micros["card", fact.currency] += fact.card_micros

    def _payment(self, fact: FactRow) -> None:
        """The first attempt of a fee that a tick requests is a renewal; later attempts have higher numbers."""
        if fact.purpose in RETRIED_PURPOSES:
            first = fact.payment_id.endswith("/1")
            self.retried += not first
            by_tick = (fact.caused_by or "").startswith(TICK_PREFIX)
            self.renewals += first and fact.purpose == "subscription" and by_tick

    def input(self, value: bytes) -> None:
        """Count an input about a subscription. Others, which are most, are not decoded."""
        if value.startswith(_COUNTED_PREFIXES):
            self.changes.take(msgspec.json.decode(value, type=InputRow))

    def dead_letter(self, code: str) -> None:
        self.dead_letters[code] += 1

    def of(self, topic: str, *types: str) -> int:
        """Number of facts of these types on `topic`; of all types when none is given."""
        counts = self.types(topic)
        return sum(counts[kind] for kind in types) if types else counts.total()

    def types(self, topic: str) -> Counter[str]:
        """Number of facts of each type on `topic`."""
        return Counter({kind: count for (where, kind), count in self.facts.items() if where == topic})

    @property
    def invoices_paid(self) -> int:
        return self.paid_at_issue + self.of("invoices", "invoice-paid")


class Watch:
    """Reads the topics from `begin`, without a consumer group, so that it does not disturb any."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings, begin: Offsets) -> None:
        self.totals = Totals()
        self._consumer = consumer
        self._names = {settings.topic(name): name for name in WATCHED}
        self._begin = {where: offset for where, offset in begin.items() if where.topic in self._names}
        seek(consumer, self._begin)

    async def behind(self, end: Offsets) -> bool:
        """Whether records before `end` are still unread."""
        return any([await self._consumer.position(where) < end[where] for where in self._begin])

    async def poll(self, timeout_ms: int) -> None:
        """Read new records; waits up to `timeout_ms` for the first."""
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
