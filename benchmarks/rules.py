"""What the rules alone cost: microseconds of processor time for an event, without a broker, and where they go."""

import gc
import time
from collections.abc import Iterator
from typing import NamedTuple

from agents.wallet.agent import Wallets
from agents.wallet.book import Book
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Refusal, Turn
from benchmarks.traffic import Keyed, Traffic, by_partition
from schemas.batch import Headers
from schemas.codec import Unreadable, decode_input
from schemas.facts import Fact, encode_fact
from schemas.inputs import AnyInput
from schemas.plan import load_catalogue

PARTITIONS = 8
INPUTS = "account-events"


class Input(NamedTuple):
    """A record of the log, as `schemas.batch.Record` has it."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    timestamp: int
    headers: Headers = ()
    topic: str = INPUTS


class Stages(NamedTuple):
    """Microseconds of processor time for one event of the calls."""

    whole: float
    decode: float
    decide: float
    snapshot: float
    encode_facts: float
    encode_rows: float

    @property
    def rest(self) -> float:
        """Headers, the outcome's lists, the partition check: what no other stage holds."""
        return self.whole - self.decode - self.decide - self.snapshot - self.encode_facts - self.encode_rows


def measure(traffic: Traffic, batch: int) -> Stages:
    """Run the traffic twice, once as the worker does and once stage by stage; only the calls are timed."""
    opening = _inputs(list(traffic.opening()))
    calls = _inputs(traffic.played())
    gc.collect()
    whole_s = _whole(opening, calls, batch)
    gc.collect()
    stages_s = _staged(opening, calls, batch)
    count = sum(map(len, calls))
    return Stages(*(seconds * 1e6 / count for seconds in (whole_s, *stages_s)))


def _inputs(records: list[Keyed]) -> list[list[Input]]:
    return [
        [Input(key, value, partition, offset, 0) for offset, (key, value) in enumerate(some)]
        for partition, some in enumerate(by_partition(records, PARTITIONS))
    ]


def _whole(opening: list[list[Input]], calls: list[list[Input]], batch: int) -> float:
    wallets = Wallets(load_catalogue(None), partitions=PARTITIONS)
    tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
    for partition in range(PARTITIONS):
        wallets.open(partition, tables[partition])
    spent_s = 0.0
    for records, timed in ((opening, False), (calls, True)):
        for some in _batches(records, batch):
            began = time.process_time()
            outcome = wallets.decide(some[0].partition, some)
            spent_s += (time.process_time() - began) * timed
            apply(tables[some[0].partition], outcome.rows)
    return spent_s


def _staged(opening: list[list[Input]], calls: list[list[Input]], batch: int) -> list[float]:
    catalogue = load_catalogue(None)
    tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
    books = [Book(catalogue, rows) for rows in tables]
    spent_s = [0.0] * 5
    for records, timed in ((opening, False), (calls, True)):
        for some in _batches(records, batch):
            partition = some[0].partition
            stages = _stages(books[partition], tables[partition], some)
            if timed:
                spent_s = [total + stage for total, stage in zip(spent_s, stages, strict=True)]
    return spent_s


def _stages(book: Book, rows: dict[str, bytes], records: list[Input]) -> list[float]:
    times = [time.process_time()]
    events = [decode_input(record.value, record.headers) for record in records]
    times.append(time.process_time())
    facts = _decided(book, events)
    times.append(time.process_time())
    for account_id, account in book.changed_accounts():
        facts.append(take_snapshot(Turn(book, account_id, account, account.changed_by, account.changed_at_ms)))
    times.append(time.process_time())
    for fact in facts:
        encode_fact(fact)
    times.append(time.process_time())
    changed = book.flush()
    times.append(time.process_time())
    apply(rows, changed)
    return [after - before for before, after in zip(times, times[1:], strict=False)]


def _decided(book: Book, events: list[AnyInput | Unreadable]) -> list[Fact]:
    facts: list[Fact] = []
    for event in events:
        assert not isinstance(event, Unreadable), event
        for decision in book.take(event):
            assert not isinstance(decision, Refusal), decision
            facts += decision.facts
    return facts


def apply(table: dict[str, bytes], rows: list[tuple[str, bytes | None]]) -> None:
    """What a commit does to the table's rows."""
    for key, value in rows:
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value


def _batches(records: list[list[Input]], batch: int) -> Iterator[list[Input]]:
    """Batches of each partition in turn, as a worker takes them under load."""
    longest = max(map(len, records))
    for begin in range(0, longest, batch):
        for some in records:
            if begin < len(some):
                yield some[begin : begin + batch]
