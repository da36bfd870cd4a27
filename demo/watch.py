"""Follows the facts as they appear and keeps totals of them."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer

from demo.cluster import Offsets, header, seek
from stream.settings import Settings

# What the live view is made of. Ledger entries and snapshots are left to the audit: they are most of the bytes.
WATCHED = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "dead-letters")
POLL_RECORDS_MAX = 5_000


class Seen(msgspec.Struct):
    """What the totals need of any fact."""

    type: str
    occurred_at: str
    amount_micros: int = 0
    reason: str = ""


@dataclass(slots=True)
class Totals:
    """`facts` counts by (topic, type), `reasons` redirects, `dead_letters` codes; `newest` is an RFC 3339 time."""

    facts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    charged_micros: int = 0
    newest: str = ""

    def fact(self, topic: str, value: bytes) -> None:
        seen = msgspec.json.decode(value, type=Seen)
        self.facts[topic, seen.type] += 1
        self.newest = max(self.newest, seen.occurred_at)
        if topic == "charges":
            self.charged_micros += seen.amount_micros
        elif seen.type == "call-redirected":
            self.reasons[seen.reason] += 1

    def dead_letter(self, code: str) -> None:
        self.dead_letters[code] += 1

    def of(self, topic: str, *types: str) -> int:
        """How many facts of these types `topic` has had; of all types when none is named."""
        counts = self.types(topic)
        return sum(counts[kind] for kind in types) if types else counts.total()

    def types(self, topic: str) -> Counter[str]:
        """How many facts of each type `topic` has had."""
        return Counter({kind: count for (where, kind), count in self.facts.items() if where == topic})


class Watch:
    """Reads the facts from `begin` on, in the middle of no group, so that it takes nothing from anybody."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings, begin: Offsets) -> None:
        self.totals = Totals()
        self._consumer = consumer
        self._names = {settings.topic(name): name for name in WATCHED}
        self._begin = {where: offset for where, offset in begin.items() if where.topic in self._names}
        seek(consumer, self._begin)

    async def behind(self, end: Offsets) -> bool:
        """Whether facts before `end` have not been taken yet."""
        return any([await self._consumer.position(where) < end[where] for where in self._begin])

    async def poll(self, timeout_ms: int) -> None:
        """Take what has appeared; returns at once when something has."""
        batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=POLL_RECORDS_MAX)
        for where, batch in batches.items():
            topic = self._names[where.topic]
            for record in batch:
                if topic == "dead-letters":
                    self.totals.dead_letter(header(record, "errors.code"))
                else:
                    self.totals.fact(topic, record.value)
