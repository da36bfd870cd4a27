"""Which records of the input topic an export keeps."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agents.wallet.agent import LOG_APPEND_TIME, Wallets
from backoffice.export.inputs import InputReader
from backoffice.export.log import Selection
from backoffice.export.order import Waiting
from schemas.partitioning import partition_of
from schemas.plan import load_catalogue
from tests.agents.partition import InputRecord, account_at_home

PARTITIONS = 4
HOME = 2
ACCOUNT = account_at_home(HOME, PARTITIONS)
OTHER = next(f"other{n}" for n in range(100) if partition_of(f"other{n}".encode(), PARTITIONS) == HOME)
STRAY = account_at_home(1, PARTITIONS)


def reader(selection: Selection | None = None) -> InputReader:
    wallets = Wallets(load_catalogue(), (), PARTITIONS)
    return InputReader(selection or Selection(), {HOME: {7}}, wallets)


def record(account_id: str = ACCOUNT, offset: int = 1, timestamp: int = 1_000, **fields: Any) -> InputRecord:
    event = {
        "type": "redirect-set",
        "id": f"i{offset}",
        "account_id": account_id,
        "occurred_at": "2026-01-01T00:00:00Z",
        "redirect_to": "+1",
    } | fields
    key, value = account_id.encode(), json.dumps(event).encode()
    return InputRecord(key, value, (), "account-events", HOME, offset, timestamp, LOG_APPEND_TIME)


def tick(second: int, offset: int = 1, timestamp: int = 1_000) -> InputRecord:
    at = f"2026-01-01T00:00:{second:02d}Z"
    return record("*", offset, timestamp, type="clock-ticked", id=f"tick-{at}", occurred_at=at)


def kept(found: Waiting | None) -> str | None:
    return None if found is None else found.event.id


@pytest.mark.parametrize(
    "refused",
    [
        record(offset=7),
        record(type="nonsense"),
        replace(record(), value=None),
        replace(record(), key=b"another"),
        record(STRAY),
    ],
    ids=["its dead letter", "unknown type", "no value", "wrong key", "wrong partition"],
)
def test_an_input_that_took_no_effect_is_left_out(refused: InputRecord) -> None:
    one = reader()
    assert one.read(refused) is None
    assert one.counts.refused == 1
    assert kept(one.read(record(offset=8))) == "i8"
    assert one.counts.refused == 1


# Keys rotate: an input that an old key signed was accepted, and whether it was is known from the dead letters alone.
def test_signatures_are_not_judged_again() -> None:
    grant: dict[str, Any] = {
        "type": "credits-granted",
        "grant_id": "g",
        "amount_micros": 1,
        "reason": "r",
        "actor": "a",
    }
    assert kept(reader().read(record(**grant))) == "i1"


@pytest.mark.parametrize(("timestamp_type", "arrived_ms"), [(LOG_APPEND_TIME, 1_000), (0, None), (None, None)])
def test_g02_only_a_brokers_timestamp_is_a_time_of_arrival(timestamp_type: int | None, arrived_ms: int | None) -> None:
    found = reader().read(replace(record(), timestamp_type=timestamp_type))
    assert found is not None
    assert found.arrived_ms == arrived_ms


def test_an_account_has_its_own_inputs_and_all_ticks() -> None:
    one = reader(Selection(account_id=ACCOUNT, partition=HOME))
    assert [kept(one.read(r)) for r in (record(), record(OTHER, 2), tick(1, 3))] == [
        "i1",
        None,
        "tick-2026-01-01T00:00:01Z",
    ]


@pytest.mark.parametrize(("timestamp", "inside"), [(999, False), (1_000, True), (1_999, True), (2_000, False)])
def test_times_are_half_open(timestamp: int, inside: bool) -> None:
    one = reader(Selection(from_ms=1_000, to_ms=2_000))
    assert (one.read(record(timestamp=timestamp)) is not None) is inside


def test_g02_a_tick_that_changes_nothing_is_left_out_also_one_after_the_first_time() -> None:
    one = reader(Selection(from_ms=2_000))
    assert one.read(tick(5, 1, timestamp=1_000)) is None
    assert one.read(tick(4, 2, timestamp=2_000)) is None
    assert one.read(tick(5, 3, timestamp=2_001)) is None
    assert kept(one.read(tick(6, 4, timestamp=2_002))) == "tick-2026-01-01T00:00:06Z"
