"""The records of a run that the checks use, and how checks report findings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord

from demo.checks.rows import (
    AlertRow,
    ChargeRow,
    DecisionRow,
    EntryRow,
    InputRow,
    InvoiceRow,
    PaymentRow,
    Row,
    SnapshotRow,
)
from demo.cluster import header
from demo.wire import INPUT_TOPIC

DEAD_LETTERS = "dead-letters"
SNAPSHOTS = "account-snapshots"
# Most inputs are of these types, and of them no check uses more than their place in the log.
TICK = "clock-ticked"
UNUSED_TYPES = ("call-started", TICK)

NAMED_MAX = 3  # A finding names this many faults.

CallKey = tuple[str, str]  # Account id and call id.
Position = tuple[int, int]  # Partition and offset on the input topic.


@dataclass(slots=True)
class Evidence:
    """Takes every record of a run, each topic in the order of its partitions, the topics in any order.

    All records of an account are in one partition, so each list has them in the order of the log.
    """

    input_count: int = 0
    inputs: list[tuple[Position, InputRow]] = field(default_factory=list)
    # Offsets of inputs by account and id, those of ticks by partition and id; and the partition of each account.
    places: dict[tuple[str | int, str], int] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    rejected: set[Position] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    decisions: list[DecisionRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
    alerts: list[AlertRow] = field(default_factory=list)
    payments: list[PaymentRow] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    invoices: list[InvoiceRow] = field(default_factory=list)
    snapshots: dict[str, SnapshotRow] = field(default_factory=dict)
    ids: set[tuple[str, str]] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)

    def take(self, topic: str, record: ConsumerRecord) -> None:
        """Add one record of the contract's topic `topic`."""
        if topic == INPUT_TOPIC:
            self._input(record)
        elif topic == DEAD_LETTERS:
            self.rejected.add((int(header(record, "errors.partition")), int(header(record, "errors.offset"))))
            self.codes[header(record, "errors.code")] += 1
        else:
            self._fact(topic, _FACTS[topic].decode(record.value), record.partition)

    def _input(self, record: ConsumerRecord) -> None:
        self.input_count += 1
        try:
            row = _INPUT.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # It must be a dead letter: the audit compares their number with the generator's.
        owner = record.partition if row.type == TICK else row.account_id
        self.places.setdefault((owner, row.id), record.offset)
        if row.type not in UNUSED_TYPES:
            self.inputs.append(((record.partition, record.offset), row))

    def _fact(self, topic: str, row: Row, partition: int) -> None:
        self.partitions[row.account_id] = partition
        # Event ids are unique per account.
        before = len(self.ids)
        self.ids.add((topic, f"{row.account_id} {row.id}"))
        if len(self.ids) == before:
            self.twice.append(f"{topic} {row.id}")
        match row:
            case SnapshotRow():
                newest = self.snapshots.get(row.account_id)
                if newest is None or newest.version < row.version:
                    self.snapshots[row.account_id] = row
            case ChargeRow():
                self.charges.append(row)
            case DecisionRow():
                self.decisions.append(row)
            case EntryRow():
                self.entries.append(row)
            case AlertRow():
                self.alerts.append(row)
            case PaymentRow():
                self.payments.append(row)
            case InvoiceRow():
                self.invoices.append(row)

    def place_of(self, fact: Row) -> int:
        """The offset of the input that caused a fact; -1 when the log has no such input."""
        account = fact.account_id
        tick = self.places.get((self.partitions[account], fact.caused_by), -1)
        return self.places.get((account, fact.caused_by), tick)

    def accepted(self) -> list[InputRow]:
        """The inputs that took effect: neither rejected nor repeated. Without call starts and ticks."""
        first: dict[tuple[str, str], InputRow] = {}
        for position, row in self.inputs:
            if position not in self.rejected:
                first.setdefault((row.account_id, row.id), row)
        return list(first.values())


def finding(what: str, found: Iterable[str]) -> Iterator[str]:
    """One sentence with the number of faults and the first few of them; nothing when there are none."""
    named = sorted(found)
    if named:
        yield f"{len(named)} {what}: {', '.join(named[:NAMED_MAX])}"


_INPUT = msgspec.json.Decoder(InputRow)
_FACTS: dict[str, msgspec.json.Decoder[Row]] = {
    topic: msgspec.json.Decoder(kind)
    for topic, kind in {
        "call-decisions": DecisionRow,
        "charges": ChargeRow,
        "alerts": AlertRow,
        "refills": Row,  # Only their ids are checked.
        "payment-requests": PaymentRow,
        "ledger-entries": EntryRow,
        "invoices": InvoiceRow,
        SNAPSHOTS: SnapshotRow,
    }.items()
}
