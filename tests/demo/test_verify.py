"""The audit of a run names what does not add up, and nothing else."""

import json
from collections import Counter
from dataclasses import dataclass, field

import pytest

from demo.verify import Audit

NOTHING_PROVOKED: Counter[str] = Counter()


@dataclass
class Log:
    """What a run left on its topics, put into an audit record by record."""

    audit: Audit = field(default_factory=Audit)
    offset: int = 0

    def put(self, topic: str, headers: tuple[tuple[str, bytes], ...] = (), **fields: object) -> int:
        @dataclass
        class Record:
            value: bytes
            partition: int
            offset: int
            headers: tuple[tuple[str, bytes], ...]

        self.offset += 1
        value = json.dumps({"account_id": "a", **fields}, separators=(",", ":")).encode()
        self.audit.take(topic, Record(value, 0, self.offset, headers))
        return self.offset

    def ended(self, call_id: str) -> int:
        return self.put("account-events", type="call-ended", id=f"in-{call_id}", call_id=call_id)

    def charged(self, call_id: str, fact_id: str, amount_micros: int = 0) -> None:
        self.put("charges", type="call-charged", id=fact_id, call_id=call_id, amount_micros=amount_micros)

    def posted(self, fact_id: str, amount_micros: int) -> None:
        self.put("ledger-entries", type="ledger-entry-posted", id=fact_id, amount_micros=amount_micros)

    def snapshot(self, version: int, balance_micros: int) -> None:
        self.put(
            "account-snapshots",
            type="account-snapshot",
            id=f"a/{version}",
            version=version,
            balance_micros=balance_micros,
        )

    def dead_letter(self, code: str, offset: int) -> None:
        headers = (
            ("errors.code", code.encode()),
            ("errors.partition", b"0"),
            ("errors.offset", str(offset).encode()),
        )
        self.put("dead-letters", headers)


@pytest.fixture
def log() -> Log:
    """A run that adds up: two calls, one of them reported twice, one refused, one repaired snapshot order."""
    log = Log()
    log.ended("c1")
    log.ended("c1")
    log.ended("c2")
    log.dead_letter("too_late", log.ended("c3"))
    log.charged("c1", "f1", 3_000_000)
    log.charged("c2", "f2")
    log.posted("e1", 20_000_000)
    log.posted("e2", -3_000_000)
    log.snapshot(2, 17_000_000)
    log.snapshot(1, 20_000_000)
    return log


def test_a_run_that_adds_up_has_no_findings(log: Log) -> None:
    assert log.audit.findings(Counter(too_late=1)) == []
    assert log.audit.accepted == {("a", "c1"), ("a", "c2")}
    assert log.audit.lowest_account() == "a"


def test_a_call_charged_twice_is_found(log: Log) -> None:
    log.charged("c1", "f3")
    assert log.audit.findings(NOTHING_PROVOKED) == ["1 calls charged more than once: a c1"]


def test_an_accepted_call_without_a_charge_is_found(log: Log) -> None:
    log.ended("c4")
    assert log.audit.findings(NOTHING_PROVOKED) == ["1 accepted calls without a charge: a c4"]


def test_a_charge_of_a_refused_call_is_found(log: Log) -> None:
    log.charged("c3", "f3")
    assert log.audit.findings(NOTHING_PROVOKED) == ["1 charges of calls that were not accepted: a c3"]


def test_a_fact_seen_twice_is_found(log: Log) -> None:
    log.posted("e2", 0)
    assert log.audit.findings(NOTHING_PROVOKED) == ["1 fact ids seen twice: ledger-entries e2"]


def test_a_balance_that_is_not_the_sum_of_its_ledger_is_found(log: Log) -> None:
    log.posted("e3", -10_000)
    (finding,) = log.audit.findings(NOTHING_PROVOKED)
    assert finding.endswith("a has 17000000 in its snapshot and 16990000 in its ledger")


def test_a_provoked_dead_letter_that_did_not_come_is_found(log: Log) -> None:
    assert log.audit.findings(Counter(not_utf8=2)) == ["2 dead letters not_utf8 were provoked, 0 found"]


def test_an_input_that_cannot_be_read_is_no_accepted_call(log: Log) -> None:
    log.put("account-events", type="call-ended", id=7)
    assert log.audit.findings(NOTHING_PROVOKED) == []
