"""Readers that come back: they get what they have missed, or learn that it cannot be shown."""

import threading

import pytest

from gateway.streams import place
from tests.gateway.reads.events import admission, movement, snapshot
from tests.gateway.stage import GatewayStage
from tests.gateway.streams.published import Published, number_of
from tests.gateway.streams.reader import Reader
from tests.lane.stage import wait_until

ENTRY, SNAPSHOT, RESET = "ledger-entry-posted", "account-snapshot", "reset"
RECONNECTIONS = 15


def numbers(reader: Reader) -> list[int]:
    return [number_of(event.data) for event in reader.events if event.type == ENTRY]


def last_after(stage: GatewayStage, account: str, entries: int, published: Published) -> str:
    """The id of the last of `entries` ledger entries, the first of the account."""
    with Reader(stage, account) as reader:
        reader.wait_for(1, SNAPSHOT)
        published.move(account, range(1, entries + 1))
        return reader.wait_for(entries, ENTRY)[-1].id


def test_what_was_missed_comes_after_the_snapshot_and_before_the_rest(
    stage: GatewayStage, published: Published
) -> None:
    published.open("back-1")
    last = last_after(stage, "back-1", 2, published)
    published.send([admission("back-1", "c-1", 5), snapshot("back-1", 2)])
    published.move("back-1", range(3, 8))
    with Reader(stage, "back-1", last=last) as reader:
        reader.wait_for(5, ENTRY)
        published.move("back-1", [8])
        reader.wait_for(6, ENTRY)
    assert reader.types()[0] == SNAPSHOT
    assert reader.events[0].json()["version"] == 2
    assert numbers(reader) == [3, 4, 5, 6, 7, 8]
    assert sorted(set(reader.types())) == [SNAPSHOT, "call-admitted", ENTRY]
    # Each id says exactly how far its reader is, also within what was missed.
    for event in reader.wait_for(6, ENTRY):
        following = list(range(number_of(event.data) + 1, 9))
        with Reader(stage, "back-1", last=event.id) as again:
            again.wait_for(len(following), ENTRY)
            again.wait_for(1, SNAPSHOT)
        assert numbers(again) == following
        assert RESET not in again.types()


def test_blanks_around_an_id_are_no_part_of_it(stage: GatewayStage, published: Published) -> None:
    published.open("blank-1")
    last = last_after(stage, "blank-1", 1, published)
    with Reader(stage, "blank-1", last=f"\t{last} ") as reader:
        reader.wait_for(1, SNAPSHOT)
    assert RESET not in reader.types()


def test_another_gateway_goes_on_where_one_was(stage: GatewayStage, published: Published) -> None:
    published.open("two-1")
    last = last_after(stage, "two-1", 1, published)
    other = stage.gateway()
    for number in range(2, 7):
        published.move("two-1", [number], seen=False)
        with Reader(stage, "two-1", last=last, gateway=other if number % 2 else None) as reader:
            last = reader.wait_for(1, ENTRY)[-1].id
            assert numbers(reader) == [number]
    other.stop()


@pytest.mark.parametrize(
    "wrong", ["", "x", "%%%", "é", "A" * 300, "kgWX", "another account's", "ahead", "less than none"]
)
def test_an_id_that_is_none_resets(stage: GatewayStage, published: Published, wrong: str) -> None:
    account = f"wrong-{len(wrong)}"
    published.open(account)
    last = last_after(stage, account, 1, published)
    checksum = place.checksum_of(account)
    found = place.decode(last, checksum)
    assert found is not None
    ids = {
        "another account's": place.encode(place.checksum_of("somebody"), found).decode(),
        "ahead": place.encode(checksum, [at + 1_000_000 for at in found]).decode(),
        "less than none": place.encode(checksum, [-2, *found[1:]]).decode(),
    }
    sent = ids.get(wrong, wrong)
    with Reader(stage, account, last=sent) as reader:
        reader.wait_for(1, SNAPSHOT)
        published.move(account, [2])
        reader.wait_for(1, ENTRY)
    assert numbers(reader) == [2]
    assert reader.types()[:2] == ([RESET, SNAPSHOT] if sent else [SNAPSHOT, ENTRY])
    with Reader(stage, account, f"?types={ENTRY}", last=sent) as only:
        published.move(account, [3])
        only.wait_for(1, ENTRY)
    assert only.types() == ([RESET, ENTRY] if sent else [ENTRY])
    # The id of the reset is one to go on from.
    with Reader(stage, account, last=reader.events[0].id) as again:
        again.wait_for(2, ENTRY)
        assert (numbers(again), again.types()[0]) == ([2, 3], SNAPSHOT)


def test_1000_missed_events_are_shown_and_1001_are_not(stage: GatewayStage, published: Published) -> None:
    published.open("far-1")
    last = last_after(stage, "far-1", 1, published)
    published.move("far-1", range(2, 1_002))
    with Reader(stage, "far-1", last=last) as reader:
        reader.wait_for(1_000, ENTRY)
        assert (numbers(reader), reader.types()[0]) == (list(range(2, 1_002)), SNAPSHOT)
    published.move("far-1", [1_002])
    with Reader(stage, "far-1", last=last) as reader:
        reader.wait_for(1, SNAPSHOT)
        published.move("far-1", [1_003])
        reader.wait_for(1, ENTRY)
    assert reader.types()[:2] == [RESET, SNAPSHOT]
    assert numbers(reader) == [1_003]
    with Reader(stage, "far-1", "?types=balance-low,account-snapshot", last=last) as other:
        other.wait_for(1, SNAPSHOT)
        assert other.types() == [SNAPSHOT], "no event of these types was missed"


def test_an_id_from_before_what_is_kept_resets(stage: GatewayStage, published: Published) -> None:
    published.open("old-1")
    last = last_after(stage, "old-1", 3, published)
    published.move("old-1", range(4, 7))
    stage.redis.zremrangebyrank("tg:1:{old-1}:ledger", 0, 3)  # As the views trim it: 5 and 6 are left.
    with Reader(stage, "old-1", last=last) as reader:
        reader.wait_for(1, SNAPSHOT)
        assert reader.types()[:2] == [RESET, SNAPSHOT]


def test_nothing_is_missing_and_nothing_is_late_while_readers_come_and_go(
    stage: GatewayStage, published: Published
) -> None:
    """Takes up to half a minute: a reader reconnects again and again while events are published without a pause."""
    published.open("busy-1")
    ending, sent = threading.Event(), [0]

    def publish() -> None:
        while not ending.is_set():
            first = sent[0] + 1
            published.send(
                [
                    event
                    for n in range(first, first + 7)
                    for event in (movement("busy-1", n, n), snapshot("busy-1", n + 1))
                ]
            )
            sent[0] = first + 6

    with Reader(stage, "busy-1") as reader:
        reader.wait_for(1, SNAPSHOT)
    thread = threading.Thread(target=publish)
    thread.start()
    last, got = reader.last, list[int]()
    try:
        for _ in range(RECONNECTIONS):
            with Reader(stage, "busy-1", last=last) as reader:
                reader.wait_for(5, ENTRY)
            last = reader.last
            assert RESET not in reader.types()
            versions = [event.json()["version"] for event in reader.events if event.type == SNAPSHOT]
            assert versions == sorted(set(versions))
            got += numbers(reader)
    finally:
        ending.set()
        thread.join()
    with Reader(stage, "busy-1", last=last) as reader:
        wait_until(lambda: sent[0] in (got + numbers(reader)), "the last entry")
    got += numbers(reader)
    assert got == list(range(1, sent[0] + 1))
