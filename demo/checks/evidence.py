"""The records of a run that the checks use, and how checks report findings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord

from demo.checks.rows import (
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
# Most inputs are of these types, and no check uses them.
UNUSED_TYPES = (b'"call-started"', b'"clock-ticked"')

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
    rejected: set[Position] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    decisions: list[DecisionRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
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
            self._fact(topic, _FACTS[topic].decode(record.value))

    def _input(self, record: ConsumerRecord) -> None:
        self.input_count += 1
        if any(kind in record.value for kind in UNUSED_TYPES):
            return
        try:
            row = _INPUT.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # It must be a dead letter: the audit compares their number with the generator's.
        self.inputs.append(((record.partition, record.offset), row))

    def _fact(self, topic: str, row: Row) -> None:
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
            case PaymentRow():
                self.payments.append(row)
            case InvoiceRow():
                self.invoices.append(row)

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
        # Only the ids of these two are checked.
        "alerts": Row,
        "refills": Row,
        "payment-requests": PaymentRow,
        "ledger-entries": EntryRow,
        "invoices": InvoiceRow,
        SNAPSHOTS: SnapshotRow,
    }.items()
}
