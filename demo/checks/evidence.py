"""Everything that a run has left on its topics, as far as anybody asks about it afterwards."""

from collections import Counter
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
# Most inputs say nothing that is asked about later: where a call started and how time passed is in the facts.
UNASKED = (b'"call-started"', b'"clock-ticked"')

CallKey = tuple[str, str]
Where = tuple[int, int]


@dataclass(slots=True)
class Evidence:
    """Takes every record of a run, each topic in the order of its partitions, the topics in any order.

    An account lives in one partition, so what is said of it on one topic stands here in the order of the log.
    """

    inputs: int = 0
    heard: list[tuple[Where, InputRow]] = field(default_factory=list)
    refused: set[Where] = field(default_factory=set)
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
        """One record of the contract's topic `topic`."""
        if topic == INPUT_TOPIC:
            self._input(record)
        elif topic == DEAD_LETTERS:
            self.refused.add((int(header(record, "errors.partition")), int(header(record, "errors.offset"))))
            self.codes[header(record, "errors.code")] += 1
        else:
            self._fact(topic, _FACTS[topic].decode(record.value))

    def _input(self, record: ConsumerRecord) -> None:
        self.inputs += 1
        if any(kind in record.value for kind in UNASKED):
            return
        try:
            row = _INPUT.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # It has to be a dead letter; those are counted against what the generator meant to be one.
        self.heard.append(((record.partition, record.offset), row))

    def _fact(self, topic: str, row: Row) -> None:
        # Ids are unique for an account: facts name their account and what they are about.
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
        """The inputs that took effect, each once: neither refused nor seen before. Calls' starts and ticks left out."""
        first: dict[tuple[str, str], InputRow] = {}
        for where, row in self.heard:
            if where not in self.refused:
                first.setdefault((row.account_id, row.id), row)
        return list(first.values())


_INPUT = msgspec.json.Decoder(InputRow)
_FACTS: dict[str, msgspec.json.Decoder[Row]] = {
    topic: msgspec.json.Decoder(kind)
    for topic, kind in {
        "call-decisions": DecisionRow,
        "charges": ChargeRow,
        # Payments, answers and the ledger say what is asked about these.
        "alerts": Row,
        "refills": Row,
        "payment-requests": PaymentRow,
        "ledger-entries": EntryRow,
        "invoices": InvoiceRow,
        SNAPSHOTS: SnapshotRow,
    }.items()
}
