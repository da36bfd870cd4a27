"""Snapshots are the same bytes whatever the engine remembers from batch to batch, and after a restore."""

import json
from typing import Any

import pytest

from tests.agents.partition import Partition, outputs_to
from tests.rules.subscriber import Subscriber, paying


def snapshot(partition: Partition, *events: dict[str, Any]) -> dict[str, Any]:
    [output] = outputs_to(partition.take(*events), "account-snapshots")
    shown: dict[str, Any] = json.loads(output.value or b"")
    return shown


def owner() -> Subscriber:
    """Cards and numbers come, change and go, and payments wait for their answers."""
    story = paying().adds_number("+1", 2).adds_number("+2", 1).adds_card("pm2", brand="discover", last4="9424")
    story.uses(1).adds_number("+1", 3).uses(1).removes_number("+2").uses(1).defaults_card("pm2").uses(1)
    story.adds_card("pm1", last4="1111").uses(1).buys("p1", 5).buys("p2", 5).uses(1).settles("purchase").uses(1)
    return story.removes_card("pm1").uses(1).ticks("2026-02-01T00:00:00Z").uses(1)


# A worker that was just restarted remembers nothing; one that was not remembers cards, numbers and open payments.
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_restarted_worker_gives_the_same_snapshots(size: int) -> None:
    inputs, partition = owner().inputs, Partition()
    for at in range(0, len(inputs), size):
        other = partition.restarted()
        batch = inputs[at : at + size]
        one, again = partition.take(*batch), other.take(*batch)
        assert outputs_to(one, "account-snapshots") == outputs_to(again, "account-snapshots")


def test_the_last_snapshot_is_that_of_the_replay() -> None:
    story, partition = owner(), Partition()
    for event in story.inputs[:-1]:
        partition.take(event)
    assert snapshot(partition, story.inputs[-1]) == story.snapshot()


# Two partitions, or two replays in one process, may know the same account id with other cards and numbers.
def test_what_is_remembered_of_one_account_is_not_shown_of_another() -> None:
    one, other = Partition(), Partition()
    first, second = paying().adds_number("+1", 2), paying().adds_number("+7", 2).adds_card("pm7")
    one.take(*first.inputs)
    other.take(*second.inputs)
    for number, (partition, story) in enumerate(((one, first), (other, second), (one, first))):
        switch = {"type": "feature-set", "id": f"x{number}", "feature": "live_agent", "enabled": True}
        shown = snapshot(partition, switch | {"account_id": "acme", "occurred_at": first.now})
        assert shown["payment_methods"] == story.snapshot()["payment_methods"]
        assert shown["phone_numbers"] == story.snapshot()["phone_numbers"]


# Contract: never the token.
def test_m9_no_token() -> None:
    assert "tok_" not in json.dumps(paying().adds_card("pm2").snapshot())
