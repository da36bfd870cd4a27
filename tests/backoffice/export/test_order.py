"""Inputs of several partitions in one file: replay gives each account what its own partition gave it."""

import json
import random
from collections.abc import Iterable, Iterator
from itertools import groupby

import pytest

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
        own = [[e for e in events if is_tick(e) or home_of(e) == number] for number in range(PARTITIONS)]
        published = by_account(fact for number, log in enumerate(own) for fact in decided(number, log))
        lines = [input_line(one.event, None) for one, _ in merged(logs_of(events, seed))]
        assert sum(map(len, published.values())) > 200
        assert by_account(replay_lines(lines)) == published


def test_g02_with_partitions_replay_keeps_the_time_of_each_whatever_ticks_it_lacks() -> None:
    """A third of the ticks is missing on each partition, as after a worker's death, and they come in another order."""
    differs = 0
    for seed in range(4):
        traffic, lost = Traffic(seed), random.Random(seed)
        events = [traffic.tick(seconds=1), *traffic.opening(ACCOUNTS), *traffic.batch(ACCOUNTS, 300)]
        own = [
            [e for e in events if (is_tick(e) and lost.random() < 0.7) or (not is_tick(e) and home_of(e) == number)]
            for number in range(PARTITIONS)
        ]
        logs = [[waiting(event, n, n * 10) for n, event in enumerate(log)] for log in own]
        published = [fact for number, log in enumerate(own) for fact in decided(number, log)]
        everywhere = list(range(PARTITIONS))
        lines = [
            input_line(one.event, None, None if sorted(chosen) == everywhere or one.tick is None else sorted(chosen))
            for one, chosen in merged(logs)
        ]
        assert by_account(replay_lines(lines, partitions=PARTITIONS)) == by_account(published)
        differs += by_account(replay_lines(lines)) != by_account(published)
    assert differs, "the lists of partitions make no difference: the test shows nothing"


OPENED = {
    "type": "account-opened",
    "id": "o",
    "account_id": "a1",
    "occurred_at": "2026-01-01T00:00:00Z",
    "plan": "free",
}
AT_DUE = "2026-01-01T05:00:00Z"


# The hold of a call that started at 0:00 expires at 4:00 (rule G5).
@pytest.mark.parametrize(
    ("named", "partitions", "expires"),
    [
        (None, PARTITIONS, True),
        ([], PARTITIONS, False),
        ([partition_of(b"a1", PARTITIONS)], PARTITIONS, True),
        ([(partition_of(b"a1", PARTITIONS) + 1) % PARTITIONS, 99], PARTITIONS, False),
        ("all of them", PARTITIONS, True),
        ([], 1, True),
    ],
)
def test_a_tick_is_for_the_partitions_that_it_names(named: object, partitions: int, expires: bool) -> None:
    late = {**tick("00"), "id": "late", "occurred_at": AT_DUE, "partitions": named}
    lines = [json.dumps(event).encode() for event in (OPENED, tick("01"), {**call(1), "account_id": "a1"}, late)]
    stuck = [fact for fact in replay_lines(lines, partitions=partitions) if fact["type"] == "call-stuck"]
    assert len(stuck) == expires


def is_tick(event: Event) -> bool:
    return bool(event["account_id"] == "*")


def home_of(event: Event) -> int:
    return partition_of(event["account_id"].encode(), PARTITIONS)


def decided(number: int, log: list[Event]) -> Iterator[Event]:
    """What a worker publishes of one partition."""
    partition = Partition(partitions=PARTITIONS, number=number)
    for event in log:
        yield from facts_of(partition.take(event))


def by_account(facts: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for fact in facts:
        if fact["type"] != "dead-letter":
            found.setdefault(fact["account_id"], []).append(fact)
    return without_tokens(found)


def without_tokens(facts: dict[str, list[Event]]) -> dict[str, list[Event]]:
    """They are pseudonyms in a replay."""
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
