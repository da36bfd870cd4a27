"""Checks from the topics alone, after the month, that calls, minutes and money were counted exactly once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from demo.checks.calls import check_calls, ended_calls
from demo.checks.evidence import DEAD_LETTERS, SNAPSHOTS, CallKey, Evidence
from demo.checks.finding import finding
from demo.checks.invoices import check_invoices
from demo.checks.payments import check_payments
from demo.checks.usage import check_usage
from demo.checks.wallets import check_wallets
from demo.cluster import FACTS, Offsets, between, reading
from demo.wire import INPUT_TOPIC
from stream.settings import Settings

TOPICS = (INPUT_TOPIC, *FACTS, SNAPSHOTS, DEAD_LETTERS)
CHECKS = (check_calls, check_wallets, check_payments, check_invoices, check_usage)


@dataclass(slots=True)
class Audit:
    """Takes every record of a run, in any order of topics, and then names what does not add up."""

    evidence: Evidence = field(default_factory=Evidence)

    def take(self, topic: str, record: ConsumerRecord) -> None:
        """One record of the contract's topic `topic`."""
        self.evidence.take(topic, record)

    @property
    def accepted(self) -> set[CallKey]:
        """Calls whose end was understood and not refused."""
        return ended_calls(self.evidence.accepted())

    def findings(self, expected_codes: Counter[str]) -> list[str]:
        """What is wrong, one sentence each with accounts and records; empty when everything adds up.

        `expected_codes` are the dead letters that the generator provoked. Codes it did not provoke are the rules'
        business (a refund of credits that were used up); too few or too many of a provoked code are an error.
        """
        accepted = self.evidence.accepted()
        return [
            *(found for check in CHECKS for found in check(self.evidence, accepted)),
            *finding("fact ids seen twice", self.evidence.twice),
            *self._wrong_codes(expected_codes),
        ]

    def _wrong_codes(self, expected_codes: Counter[str]) -> Iterator[str]:
        for code, count in sorted(expected_codes.items()):
            found = self.evidence.codes[code]
            if found != count:
                yield f"{count} dead letters {code} were provoked, {found} found"

    def lowest_account(self) -> str | None:
        """The account with the lowest balance; of several, the first by name."""
        balances = ((row.balance_micros, account) for account, row in self.evidence.snapshots.items())
        lowest = min(balances, default=None)
        return None if lowest is None else lowest[1]


async def audit(settings: Settings, begin: Offsets, end: Offsets) -> Audit:
    """Read every topic of the run again, between the two sets of offsets."""
    result = Audit()
    names = {settings.topic(name): name for name in TOPICS}
    async with reading(settings) as consumer:
        async for record in between(consumer, begin, end):
            result.take(names[record.topic], record)
    return result
