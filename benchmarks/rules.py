"""Processor time of the rules alone: microseconds per input, by stage, without a broker."""

import gc
import time
from collections.abc import Iterator
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from rich.table import Table

from agents.wallet.agent import SLICE_UNITS, Wallets
from agents.wallet.book import Book
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Refusal, Turn
from benchmarks.figures import quantile
from benchmarks.traffic import Keyed, Traffic, by_partition
from schemas.batch import Headers
from schemas.codec import Unreadable, decode_input
from schemas.facts import Fact, encode_fact
from schemas.inputs import AnyInput
from schemas.plan import load_catalogue

PARTITIONS = 8
INPUTS = "account-events"


class Input(NamedTuple):
    """A record of the log, with the fields of `schemas.batch.Record`."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    timestamp: int
    headers: Headers = ()
    topic: str = INPUTS
    timestamp_type: int | None = 0


STAGES = ("decode the input", "decide", "take snapshots", "encode events", "encode rows")
ACCOUNTS = 2_000


class Spent(NamedTuple):
    """Microseconds of processor time per input, for each batch: all of `Wallets.decide`, and its stages."""

    whole: list[float]
    stages: list[list[float]]


def measure(calls: int, batch: int, plan: str) -> Spent:
    """Run the traffic twice: as the worker does, and stage by stage. Only the calls are timed."""
    traffic = Traffic(ACCOUNTS, calls, time.time_ns() // 1_000_000, plan=plan)
    opening, played = _inputs(list(traffic.opening())), _inputs(traffic.played())
    # A worker does not hold a whole log in memory, so garbage collections must not traverse it here.
    gc.collect()
    gc.freeze()
    return Spent(_whole(opening, played, batch), _staged(opening, played, batch))


def table(spent: Spent) -> Table:
    """The mean shows this machine; the best tenth of the batches is close to an idle machine."""
    result = Table(title="the rules alone, µs of processor time per input", title_justify="left")
    for heading in ("", "mean", "best tenth", "share"):
        result.add_column(heading, justify="right" if heading else "left")
    best = quantile(spent.whole, 0.1)
    stages = dict(zip(STAGES, spent.stages, strict=True))
    for name, values in stages.items():
        result.add_row(
            name, f"{fmean(values):.1f}", f"{quantile(values, 0.1):.1f}", f"{quantile(values, 0.1) / best:.0%}"
        )
    rest = best - sum(quantile(values, 0.1) for values in spent.stages)
    rest_mean = fmean(spent.whole) - sum(map(fmean, spent.stages))
    result.add_row("checks, headers, lists", f"{rest_mean:.1f}", f"{rest:.1f}", f"{rest / best:.0%}")
    result.add_row("all of it", f"{fmean(spent.whole):.1f}", f"{best:.1f}", "")
    return result


def _inputs(records: list[Keyed]) -> list[list[Input]]:
    return [
        [Input(key, value, partition, offset, 0) for offset, (key, value) in enumerate(some)]
        for partition, some in enumerate(by_partition(records, PARTITIONS))
    ]


def _whole(opening: list[list[Input]], calls: list[list[Input]], batch: int) -> list[float]:
    wallets = Wallets(load_catalogue(None), partitions=PARTITIONS)
    tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
    for partition in range(PARTITIONS):
        wallets.open(partition, tables[partition])
    spent_us = []
    for records, timed in ((opening, False), (calls, True)):
        for some in _batches(records, batch):
            began = time.process_time()
            decided = wallets.decide(some[0].partition, some)
            if timed:
                spent_us.append((time.process_time() - began) * 1e6 / len(some))
            apply(tables[some[0].partition], decided.rows)
    return spent_us


def _staged(opening: list[list[Input]], calls: list[list[Input]], batch: int) -> list[list[float]]:
    catalogue = load_catalogue(None)
    tables: list[dict[str, bytes]] = [{} for _ in range(PARTITIONS)]
    books = [Book(catalogue, rows) for rows in tables]
    spent_us: list[list[float]] = [[] for _ in STAGES]
    for records, timed in ((opening, False), (calls, True)):
        for some in _batches(records, batch):
            partition = some[0].partition
            stages = _stages(books[partition], tables[partition], some)
            if timed:
                for values, seconds in zip(spent_us, stages, strict=True):
                    values.append(seconds * 1e6 / len(some))
    return spent_us


def _stages(book: Book, rows: dict[str, bytes], records: list[Input]) -> list[float]:
    times = [time.process_time()]
    events = [decode_input(record.value, record.headers) for record in records]
    times.append(time.process_time())
    facts = _decided(book, events)
    times.append(time.process_time())
    for account_id, account, clock_ms in book.changed_accounts():
        turn = Turn(book, account_id, account, account.changed_by, account.changed_at_ms, clock_ms)
        facts.append(take_snapshot(turn))
    times.append(time.process_time())
    for fact in facts:
        encode_fact(fact)
    times.append(time.process_time())
    changed = book.flush()
    times.append(time.process_time())
    apply(rows, changed)
    return [after - before for before, after in pairwise(times)]


def _decided(book: Book, events: list[AnyInput | Unreadable]) -> list[Fact]:
    facts: list[Fact] = []
    for event in events:
        assert not isinstance(event, Unreadable), event
        for work in book.catch_up(event.account_id):
            facts += work.facts
        decision = book.take(event)
        assert not isinstance(decision, Refusal), decision
        facts += decision.facts
    for work in book.work(SLICE_UNITS):
        facts += work.facts
    return facts


def apply(table: dict[str, bytes], rows: list[tuple[str, bytes | None]]) -> None:
    """Apply the rows of a commit to the table."""
    for key, value in rows:
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value


def _batches(records: list[list[Input]], batch: int) -> Iterator[list[Input]]:
    """Batches of each partition in turn, as a worker processes them under load."""
    longest = max(map(len, records))
    for begin in range(0, longest, batch):
        for some in records:
            if begin < len(some):
                yield some[begin : begin + batch]
