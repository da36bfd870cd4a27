"""Inputs late, twice, out of order and contradicting: no event is missed, and the sums are those of the snapshots."""

import json
from collections import Counter

import pytest

from backoffice.report.books import Books
from backoffice.report.closing import close_month
from backoffice.report.facts import read_facts
from backoffice.report.missing import missing
from backoffice.report.month import read_month
from tests.agents.partition import Event, Partition, facts_of, outputs_to
from tests.agents.traffic import Traffic

ACCOUNTS = 12


def history(seed: int) -> tuple[list[Event], dict[str, Event]]:
    """The published events, and the newest snapshot of each account."""
    traffic, partition = Traffic(seed), Partition()
    facts: list[Event] = []
    snapshots: dict[str, Event] = {}
    batches = [[traffic.tick(seconds=1), *traffic.opening(ACCOUNTS)]]
    for _ in range(9):
        outcome = partition.take(*batches[-1])
        new = facts_of(outcome)
        facts += new
        traffic.answers(new)
        for output in outputs_to(outcome, "account-snapshots"):
            assert output.value is not None
            snapshots[output.key.decode() if output.key else ""] = json.loads(output.value)
        batches.append(traffic.batch(ACCOUNTS, 60))
    return facts, snapshots


@pytest.mark.parametrize("seed", [3, 6, 77])
def test_every_month_adds_up_and_the_last_one_ends_as_the_snapshots_say(seed: int) -> None:
    facts, snapshots = history(seed)
    lines = [json.dumps(event).encode() for event in [*facts, *snapshots.values()]]
    months = sorted({event["occurred_at"][:7] for event in facts if event["occurred_at"]})
    for month in months:
        books = Books(read_month(month, "UTC"), {})
        for at_ms, fact in read_facts(lines):
            books.add(at_ms, fact)
        assert list(missing(books)) == []
        sums = close_month(books)
    expected, found = Counter[str](), Counter[str]()
    for snapshot in snapshots.values():
        expected["closing"] += snapshot["balance_micros"]
        expected["carried"] += snapshot["carried_micros"]
    for section, item in (("wallets", "closing"), ("month_end", "carried")):
        one = sums.of("USD", section, item)
        found[item] += 0 if one is None else one.micros
    assert found == expected
    assert expected["closing"]
