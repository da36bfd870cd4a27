"""One partition as a worker has it: a table of rows, the wallets over it, and records that come in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.wallet.agent import SLICE_UNITS, Wallets
from agents.wallet.clock import BROKER_TIME, Timing
from schemas.batch import BatchResult, Headers, Output
from schemas.partitioning import partition_of
from schemas.plan import Catalogue, load_catalogue
from schemas.rows import check_row

Event = dict[str, Any]
SHIPPED = load_catalogue()


@dataclass(frozen=True)
class InputRecord:
    """A record of `account-events`."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    topic: str = "account-events"
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_767_225_600_000
    timestamp_type: int | None = 0


def record_of(event: Event, partition: int = 0, offset: int = 0, headers: Headers = ()) -> InputRecord:
    key = str(event["account_id"]).encode()
    return InputRecord(key, json.dumps(event).encode(), headers, partition=partition, offset=offset)


class Partition:
    """`rows` is what the changelog holds; every batch is committed at once, and checked as a restore would check it."""

    def __init__(
        self,
        rows: dict[str, bytes] | None = None,
        catalogue: Catalogue = SHIPPED,
        signing_keys: Sequence[bytes] = (),
        partitions: int = 1,
        number: int = 0,
        timing: Timing = BROKER_TIME,
        slice_units: int = SLICE_UNITS,
    ) -> None:
        self.rows = {} if rows is None else rows
        self.number = number
        self.offset = 0
        self.timing = timing
        self.slice_units = slice_units
        self.wallets = Wallets(catalogue, signing_keys, partitions, timing, slice_units)
        self.wallets.open(number, self.rows)

    def decide(self, *records: InputRecord) -> BatchResult:
        outcome = self.wallets.decide(self.number, records)
        keys = [key for key, _ in outcome.rows]
        assert len(keys) == len(set(keys)), "one record per changed row and batch"
        for key, value in outcome.rows:
            if value is None:
                del self.rows[key]
                continue
            check_row(key.encode(), value, self.rows.get(key))
            self.rows[key] = value
        return outcome

    def take(self, *events: Event) -> BatchResult:
        """A batch of events, each keyed by its account, and all the timed work that it makes due, in one outcome."""
        records = []
        for event in events:
            records.append(record_of(event, self.number, self.offset))
            self.offset += 1
        outcome = self.decide(*records)
        while self.wallets.overdue(self.number):
            more = self.decide()
            outcome.outputs += more.outputs
            outcome.tally += more.tally
            outcome.charged_micros += more.charged_micros
            outcome.dropped_plans += more.dropped_plans
            outcome.rows = list((dict(outcome.rows) | dict(more.rows)).items())
        return outcome

    def restarted(self, catalogue: Catalogue = SHIPPED) -> "Partition":
        """Another worker over a copy of the same rows."""
        copy = dict(sorted(self.rows.items(), reverse=True))
        again = Partition(copy, catalogue, number=self.number, timing=self.timing, slice_units=self.slice_units)
        again.offset = self.offset
        return again

    def kinds(self) -> dict[str, int]:
        """How many rows of each kind there are: `c` calls, `i` input ids, `account`, `clock`, `terms` and so on."""
        counted: dict[str, int] = {}
        for key in self.rows:
            account_id, _, rest = key.partition("/")
            kind = ("terms" if rest else "clock") if account_id == "*" else rest[:1] or "account"
            counted[kind] = counted.get(kind, 0) + 1
        return counted


def facts_of(outcome: BatchResult, *kinds: str) -> list[Event]:
    """The facts of an outcome, snapshots and dead letters aside, each once however many topics it goes to."""
    facts: dict[str, Event] = {}
    for output in outcome.outputs:
        if output.topic not in {"dead-letters", "account-snapshots"} and output.value is not None:
            fact = json.loads(output.value)
            facts[fact["id"]] = fact
    return [fact for fact in facts.values() if not kinds or fact["type"] in kinds]


def outputs_to(outcome: BatchResult, topic: str) -> list[Output]:
    return [output for output in outcome.outputs if output.topic == topic]


def header(output: Output, name: str) -> str | None:
    """The only header of that name, None if there is none."""
    values = [value for given, value in output.headers if given == name]
    assert len(values) <= 1, f"{name} is there {len(values)} times"
    return None if not values or values[0] is None else values[0].decode()


def account_at_home(partition: int, partitions: int) -> str:
    """An account id that lives there."""
    return next(a for n in range(1000) if partition_of((a := f"acct{n}").encode(), partitions) == partition)
