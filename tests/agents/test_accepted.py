"""The header `accepted` of a snapshot: the offsets of the account's inputs that took effect in the batch."""

import json

from schemas.batch import BatchResult
from tests.agents.partition import InputRecord, Partition, header, outputs_to, record_of
from tests.rules.story import SIGNUP, Event, Story, later


def event(kind: str, number: int, account_id: str = "a", **fields: object) -> Event:
    return {"type": kind, "id": f"i{number}", "account_id": account_id, "occurred_at": SIGNUP, **fields}


def accepted(outcome: BatchResult) -> dict[str, str | None]:
    """account -> the header of its snapshot"""
    snapshots = outputs_to(outcome, "account-snapshots")
    found = {json.loads(output.value or b"")["account_id"]: header(output, "accepted") for output in snapshots}
    assert len(found) == len(snapshots), "one snapshot of an account in a batch"
    return found


def records_at(*placed: tuple[int, Event]) -> list[InputRecord]:
    return [record_of(one, offset=offset) for offset, one in placed]


# Contract: decimal, ascending, separated by commas; each account only its own.
def test_each_account_has_its_own_offsets() -> None:
    records = records_at(
        (9, event("account-opened", 1, plan="free")),
        (10, event("account-opened", 1, "b", plan="free")),
        (11, event("redirect-set", 2, redirect_to="+1")),
        (102, event("redirect-set", 3, redirect_to="+2")),
    )
    assert accepted(Partition().decide(*records)) == {"a": "9,11,102", "b": "10"}


# Contract: a recognised repeat is not among them; neither is a refused or an unreadable input.
def test_repeats_and_refusals_are_not_among_them() -> None:
    partition = Partition()
    partition.take(event("account-opened", 1, plan="free"), event("account-opened", 1, "b", plan="free"))
    records = records_at(
        (2, event("account-opened", 1, plan="free")),
        (3, event("plan-change-requested", 2, plan="free")),
        (4, event("plan-change-requested", 3, plan="none")),
        (5, event("redirect-set", 4, redirect_to="")),
        (6, event("redirect-set", 5, redirect_to="+1")),
        (7, event("redirect-set", 5, redirect_to="+1")),
    )
    assert accepted(partition.decide(*records)) == {"a": "6"}
    # Nothing of the account took effect: it has no snapshot either.
    assert accepted(partition.decide(record_of(event("redirect-set", 5, redirect_to="+1"), offset=8))) == {}


# Contract: a snapshot whenever an input of the account took effect, also one that changes nothing that it shows.
def test_an_input_that_changes_nothing_is_accepted() -> None:
    partition = Partition()
    partition.take(event("account-opened", 1, plan="free"))
    same = event("feature-set", 2, feature="live_agent", enabled=False)
    assert accepted(partition.decide(record_of(same, offset=1))) == {"a": "1"}


# Time alone changes the account: the header is there and empty.
def test_a_tick_is_no_input_of_the_account() -> None:
    story = Story("a").opens().adds_card().refills(20)
    partition = Partition()
    partition.take(*story.inputs)
    tick = event("clock-ticked", 9, "*") | {"occurred_at": later(SIGNUP, minutes=15)}
    assert accepted(partition.take(tick)) == {"a": ""}


# The work that is due is done before the account's input; the snapshot after both names the input.
def test_due_work_and_an_input_in_one_batch() -> None:
    story = Story("a").opens().adds_card().refills(20)
    partition = Partition()
    partition.take(*story.inputs)
    tick = event("clock-ticked", 9, "*") | {"occurred_at": later(SIGNUP, minutes=15)}
    records = records_at((50, tick), (51, event("redirect-set", 10, redirect_to="+1")))
    assert accepted(partition.decide(*records)) == {"a": "51"}


# A start for an account that is not open takes effect; there is no account to show.
def test_a_call_of_an_unknown_account_has_no_snapshot() -> None:
    start = event("call-started", 1, "nobody", call_id="c1", direction="inbound")
    assert accepted(Partition().decide(record_of(start))) == {}
