"""Checks from the topics alone, after the day, that money was counted exactly once."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord

from demo.cluster import FACTS, Offsets, between, header, reading
from demo.wire import INPUT_TOPIC
from stream.settings import Settings

DEAD_LETTERS = "dead-letters"
TOPICS = (INPUT_TOPIC, *FACTS, "account-snapshots", DEAD_LETTERS)
EXAMPLES_MAX = 3

CallKey = tuple[str, str]


class Row(msgspec.Struct):
    """What the audit reads of an input or a fact. Text where the field may hold anything (a malformed input)."""

    type: str
    id: str
    account_id: str
    call_id: str = ""
    amount_micros: int = 0
    balance_micros: int = 0
    version: int = 0


@dataclass(slots=True)
class Audit:
    """Takes every record of a run, in any order of topics, and then names what does not add up."""

    ended: dict[tuple[int, int], CallKey] = field(default_factory=dict)
    refused: set[tuple[int, int]] = field(default_factory=set)
    charged: Counter[CallKey] = field(default_factory=Counter)
    charged_micros: Counter[CallKey] = field(default_factory=Counter)
    posted_micros: Counter[str] = field(default_factory=Counter)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    ids: set[tuple[str, str]] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    inputs: int = 0

    def take(self, topic: str, record: ConsumerRecord) -> None:
        """One record of the contract's topic `topic`."""
        if topic == INPUT_TOPIC:
            self._input(record)
        elif topic == DEAD_LETTERS:
            self.refused.add((int(header(record, "errors.partition")), int(header(record, "errors.offset"))))
            self.codes[header(record, "errors.code")] += 1
        else:
            self._fact(topic, msgspec.json.decode(record.value, type=Row))

    def _input(self, record: ConsumerRecord) -> None:
        self.inputs += 1
        if b'"call-ended"' not in record.value:
            return
        try:
            row = msgspec.json.decode(record.value, type=Row)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # It has to be a dead letter; those are counted against what the generator meant to be one.
        self.ended[record.partition, record.offset] = (row.account_id, row.call_id)

    def _fact(self, topic: str, row: Row) -> None:
        # Ids are unique for an account: facts name their account and what they are about.
        before = len(self.ids)
        self.ids.add((topic, f"{row.account_id} {row.id}"))
        if len(self.ids) == before:
            self.twice.append(f"{topic} {row.id}")
        if topic == "charges":
            call = row.account_id, row.call_id
            self.charged[call] += row.type == "call-charged"
            self.charged_micros[call] += row.amount_micros
        elif topic == "ledger-entries":
            self.posted_micros[row.account_id] += row.amount_micros
        elif topic == "account-snapshots":
            newest = self.balances.get(row.account_id, (-1, 0))
            self.balances[row.account_id] = max(newest, (row.version, row.balance_micros))

    @property
    def accepted(self) -> set[CallKey]:
        """Calls whose end was understood and not refused."""
        return {call for where, call in self.ended.items() if where not in self.refused}

    def findings(self, expected_codes: Counter[str]) -> list[str]:
        """What is wrong, one sentence each; empty when everything adds up.

        `expected_codes` are the dead letters that the generator provoked. Codes it did not provoke are the rules'
        business (a refund of credits that were used up); too few or too many of a provoked code are an error.
        """
        accepted = self.accepted
        return [
            *_finding("accepted calls without a charge", [call for call in accepted if not self.charged[call]]),
            *_finding("calls charged more than once", [call for call, times in self.charged.items() if times > 1]),
            *_finding(
                "charges of calls that were not accepted", [call for call in self.charged if call not in accepted]
            ),
            *_finding("fact ids seen twice", self.twice),
            *_finding("balances that are not the sum of their ledger", self._wrong_balances()),
            *(
                f"{count} dead letters {code} were provoked, {self.codes[code]} found"
                for code, count in sorted(expected_codes.items())
                if self.codes[code] != count
            ),
        ]

    def _wrong_balances(self) -> list[str]:
        return [
            f"{account} has {balance} in its snapshot and {self.posted_micros[account]} in its ledger"
            for account, (_, balance) in self.balances.items()
            if balance != self.posted_micros[account]
        ] + [
            f"{account} has ledger entries and no snapshot"
            for account in self.posted_micros.keys() - self.balances.keys()
        ]

    def lowest_account(self) -> str | None:
        """The account with the lowest balance; of several, the first by name."""
        lowest = min(((balance, account) for account, (_, balance) in self.balances.items()), default=None)
        return None if lowest is None else lowest[1]


def _finding(what: str, found: list[CallKey] | list[str]) -> list[str]:
    if not found:
        return []
    named = sorted(one if isinstance(one, str) else " ".join(one) for one in found)
    examples = ", ".join(named[:EXAMPLES_MAX])
    return [f"{len(found)} {what}: {examples}"]


async def audit(settings: Settings, begin: Offsets, end: Offsets) -> Audit:
    """Read every topic of the run again, between the two sets of offsets."""
    result = Audit()
    names = {settings.topic(name): name for name in TOPICS}
    async with reading(settings) as consumer:
        async for record in between(consumer, begin, end):
            result.take(names[record.topic], record)
    return result
