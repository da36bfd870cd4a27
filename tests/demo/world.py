"""Runs a month through the real rules, the demo's provider and the audit, without Kafka."""

import heapq
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from agents.wallet.agent import Wallets
from agents.wallet.clock import Timing
from demo.plans import plans_of_a_run
from demo.provider import Provider, ProviderSettings, fares, reversals
from demo.traffic import TrafficSettings
from demo.verify import Audit
from demo.wire import INPUT_TOPIC, Timed
from schemas.batch import Headers
from schemas.instant import MINUTE_MS
from schemas.partitioning import partition_of
from schemas.plan import catalogue_from


@dataclass(frozen=True)
class Record:
    key: bytes | None
    value: bytes | None
    headers: Headers
    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int | None = 0


@dataclass
class World:
    """Wallets, provider and audit on one log in memory. A batch has at most `batch_max` records of a partition."""

    settings: TrafficSettings
    batch_max: int
    audit: Audit = field(default_factory=Audit)
    facts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        key, partitions = self.settings.signing_key, self.settings.partitions
        self.wallets = Wallets(
            catalogue_from(tomllib.loads(plans_of_a_run(1))), [key] if key else [], partitions, Timing(by_ticks=True)
        )
        self.provider = Provider(ProviderSettings(fares(1, 16 * MINUTE_MS), key))
        self.tables: list[dict[str, bytes]] = [{} for _ in range(partitions)]
        self.waiting: list[list[Record]] = [[] for _ in range(partitions)]
        self.offsets = [count() for _ in range(partitions)]
        self.answers: list[tuple[int, Timed]] = []
        for partition, table in enumerate(self.tables):
            self.wallets.open(partition, table)

    def play(self, month: Iterator[Timed]) -> None:
        for record in month:
            while self.answers and self.answers[0][0] <= record.at_ms:
                self.put(heapq.heappop(self.answers)[1])
            self.put(record)
        while any(self.waiting) or self.answers:
            for partition in range(self.settings.partitions):
                self.decide_batch(partition)
            while self.answers:
                self.put(heapq.heappop(self.answers)[1])

    def put(self, sent: Timed) -> None:
        partition = partition_of(sent.key, self.settings.partitions) if sent.partition is None else sent.partition
        offset = next(self.offsets[partition])
        record = Record(sent.key, sent.value, sent.headers, INPUT_TOPIC, partition, offset, sent.at_ms)
        self.audit.take(INPUT_TOPIC, record)
        self.waiting[partition].append(record)
        if len(self.waiting[partition]) >= self.batch_max:
            self.decide_batch(partition)

    def decide_batch(self, partition: int) -> None:
        batch, self.waiting[partition] = self.waiting[partition], []
        self._decide(partition, batch)
        while self.wallets.overdue(partition):
            self._decide(partition, [])

    def _decide(self, partition: int, batch: list[Record]) -> None:
        result = self.wallets.decide(partition, batch)
        for key, row in result.rows:
            if row is None:
                self.tables[partition].pop(key, None)
            else:
                self.tables[partition][key] = row
        for output in result.outputs:
            published = Record(output.key, output.value, output.headers, output.topic, partition, 0, 0)
            self.audit.take(output.topic, published)
            self.facts[output.topic] += 1
            if output.topic == "payment-requests":
                assert output.value is not None
                answer = self.provider.answer(output.value)
                assert answer is not None
                for one in (answer, *reversals(output.value, self.provider.settings)):
                    heapq.heappush(self.answers, (one.record.at_ms, one.record))
