"""Inputs of several partitions in one file: replay gives each account what its own partition gave it."""

import random
from collections.abc import Iterator
from itertools import groupby

from backoffice.export.lines import input_line
from backoffice.export.order import Clocks, Waiting, next_partitions
from backoffice.replay import replay_lines
from schemas.codec import Unreadable, decode_input
from schemas.partitioning import partition_of
from tests.agents.partition import Event, Partition, facts_of, record_of
from tests.agents.traffic import Traffic

PARTITIONS = 3
ACCOUNTS = 12


def waiting(event: Event, offset: int, timestamp: int) -> Waiting:
    read = decode_input(record_of(event).value)
    assert not isinstance(read, Unreadable)
    return Waiting(timestamp, offset, read, timestamp)


def merged(logs: list[list[Waiting]]) -> Iterator[tuple[Waiting, list[int]]]:
    """As the command merges the partitions: ticks that change nothing are left out."""
    clocks = Clocks()
    rest = {
        partition: [one for one in log if one.tick is None or clocks.advance(partition, one.tick)]
        for partition, log in enumerate(logs)
    }
    while heads := {partition: log[0] for partition, log in rest.items() if log}:
        chosen = next_partitions(heads)
        yield heads[chosen[0]], chosen
        for partition in chosen:
            rest[partition].pop(0)


def logs_of(events: list[Event], seed: int) -> list[list[Waiting]]:
    """Each partition's own log. Their broker timestamps run at different speeds, as partitions are late or early."""
    logs: list[list[Waiting]] = [[] for _ in range(PARTITIONS)]
    late = random.Random(seed)
    now = [0] * PARTITIONS
    for event in events:
        account_id = event["account_id"]
        homes = range(PARTITIONS) if account_id == "*" else [partition_of(account_id.encode(), PARTITIONS)]
        for home in homes:
            now[home] += late.randrange(100)
            logs[home].append(waiting(event, len(logs[home]), now[home]))
    return logs


def test_g02_replay_of_the_merged_partitions_gives_each_accounts_events() -> None:
    for seed in range(6):
        traffic = Traffic(seed)
        events = [traffic.tick(seconds=1), *traffic.opening(ACCOUNTS), *traffic.batch(ACCOUNTS, 400)]
        published: dict[str, list[Event]] = {}
        for number in range(PARTITIONS):
            partition = Partition(partitions=PARTITIONS, number=number)
            own = [
                e
                for e in events
                if e["account_id"] == "*" or partition_of(e["account_id"].encode(), PARTITIONS) == number
            ]
            for event in own:
                for fact in facts_of(partition.take(event)):
                    published.setdefault(fact["account_id"], []).append(fact)
        lines = [input_line(one.event, None) for one, _ in merged(logs_of(events, seed))]
        replayed: dict[str, list[Event]] = {}
        for fact in replay_lines(lines):
            if fact["type"] != "dead-letter":
                replayed.setdefault(fact["account_id"], []).append(fact)
        assert sum(map(len, published.values())) > 200
        # The tokens differ, as they should.
        assert without_tokens(replayed) == without_tokens(published)


def without_tokens(facts: dict[str, list[Event]]) -> dict[str, list[Event]]:
    return {account: [{**fact, "token": ""} for fact in own] for account, own in facts.items()}


def tick(at: str) -> Event:
    return {"type": "clock-ticked", "id": f"tick-{at}", "account_id": "*", "occurred_at": f"2026-01-01T00:00:{at}Z"}


def call(number: int) -> Event:
    return {
        "type": "call-started",
        "id": f"i{number}",
        "account_id": f"a{number}",
        "occurred_at": "2026-01-01T00:00:00Z",
        "call_id": "c",
        "direction": "web",
    }


def ids_of(logs: list[list[Waiting]]) -> list[tuple[str, int]]:
    """The merged ids, and how many partitions have each."""
    return [(one.event.id, len(chosen)) for one, chosen in merged(logs)]


def test_a_tick_comes_once_behind_what_is_before_it_in_every_partition() -> None:
    first = [waiting(call(1), 0, 5), waiting(tick("01"), 1, 6), waiting(call(2), 2, 7)]
    slow = [waiting(call(3), 0, 1), waiting(call(4), 1, 900), waiting(tick("01"), 2, 901), waiting(call(5), 3, 902)]
    assert ids_of([first, slow]) == [("i3", 1), ("i1", 1), ("i4", 1), ("tick-01", 2), ("i2", 1), ("i5", 1)]


def test_inputs_come_by_timestamp_then_partition() -> None:
    logs = [[waiting(call(1), 0, 5)], [waiting(call(2), 0, 5), waiting(call(3), 1, 5)], [waiting(call(4), 0, 4)]]
    assert [name for name, _ in ids_of(logs)] == ["i4", "i1", "i2", "i3"]


def test_repeated_and_older_ticks_are_left_out() -> None:
    log = [waiting(tick(at), n, n) for n, at in enumerate(["02", "02", "01", "03"])]
    assert [name for name, _ in groupby(ids_of([log]))] == [("tick-02", 1), ("tick-03", 1)]


def test_a_tick_that_a_partition_lacks_is_noticed() -> None:
    whole = [waiting(tick(at), n, n) for n, at in enumerate(["01", "02", "03"])]
    assert ids_of([whole, [whole[0], whole[2]]]) == [("tick-01", 2), ("tick-02", 1), ("tick-03", 2)]
