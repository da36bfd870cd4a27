"""Checks after the month, from the topics alone, that calls, minutes and money were counted exactly once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from demo.checks.calls import check_calls, ended_calls
from demo.checks.evidence import DEAD_LETTERS, SNAPSHOTS, CallKey, Evidence, finding
from demo.checks.invoices import check_invoices
from demo.checks.overlong import check_overlong
from demo.checks.payments import check_payments
from demo.checks.reversals import check_reversals
from demo.checks.statements import check_statements
from demo.checks.usage import check_usage
from demo.checks.wallets import check_wallets
from demo.cluster import FACTS, Offsets, between, reading
from demo.wire import INPUT_TOPIC
from stream.settings import Settings

TOPICS = (INPUT_TOPIC, *FACTS, SNAPSHOTS, DEAD_LETTERS)
CHECKS = (
    check_calls,
    check_overlong,
    check_wallets,
    check_payments,
    check_reversals,
    check_invoices,
    check_statements,
    check_usage,
)


@dataclass(slots=True)
class Audit:
    """Takes every record of a run, in any order of topics, then lists everything that does not add up."""

    evidence: Evidence = field(default_factory=Evidence)

    def take(self, topic: str, record: ConsumerRecord) -> None:
        """Add one record of the contract's topic `topic`."""
        self.evidence.take(topic, record)

    @property
    def accepted(self) -> set[CallKey]:
        """Calls whose end was decoded and not rejected."""
        return ended_calls(self.evidence.accepted())

    def findings(self, expected_codes: Counter[str]) -> list[str]:
        """Everything that does not add up, one sentence each with accounts and records.

        `expected_codes` counts the dead letters that the generator provoked: another number of one of these codes is a
        finding. Other codes are legitimate (a refund of credits that were used up) and not checked.
        """
        accepted = self.evidence.accepted()
        return [
            *(found for check in CHECKS for found in check(self.evidence, accepted)),
            *finding("event ids seen twice", self.evidence.twice),
            *self._wrong_codes(expected_codes),
        ]

    def _wrong_codes(self, expected_codes: Counter[str]) -> Iterator[str]:
        for code, count in sorted(expected_codes.items()):
            found = self.evidence.codes[code]
            if found != count:
                yield f"{count} dead letters {code} expected, {found} found"

    def lowest_account(self) -> str | None:
        """The account with the lowest balance, as a number of any currency; of equals, the first by id."""
        balances = ((row.balance_micros, account) for account, row in self.evidence.snapshots.items())
        lowest = min(balances, default=None)
        return None if lowest is None else lowest[1]


async def audit(settings: Settings, begin: Offsets, end: Offsets) -> Audit:
    """Read every topic of the run from `begin` to `end`."""
    result = Audit()
    names = {settings.topic(name): name for name in TOPICS}
    async with reading(settings) as consumer:
        async for record in between(consumer, begin, end):
            result.take(names[record.topic], record)
    return result
