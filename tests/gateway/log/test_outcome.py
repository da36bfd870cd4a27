"""The outcome of an input, from what stands in the engine's place committed."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import TopicPartition

from gateway.log.outcome import Outcome, outcome
from gateway.log.reader import LogReader
from gateway.log.trace import Trace
from gateway.log.writer import Address
from schemas.partitioning import partition_of
from stream import topics
from stream.settings import Settings
from tests.gateway.log.stage import DEADLINE_S, ONE, PARTITIONS, engine, publish, reading

HOME = partition_of(ONE.encode(), PARTITIONS)
AT = Address(HOME, 41)


def fact(kind: str, number: int, caused_by: str | None = "in-1", **fields: Any) -> bytes:
    return json.dumps(
        {"type": kind, "id": f"fact-{number}", "account_id": ONE, "caused_by": caused_by, **fields}
    ).encode()


def snapshot(version: int) -> bytes:
    return json.dumps({"type": "account-snapshot", "version": version, "caused_by": "in-1"}).encode()


async def commit(producer: Any, settings: Settings, offset: int) -> None:
    """As the engine does it: the next input of the group, in the transaction."""
    place = TopicPartition(settings.topic(topics.INPUTS), HOME)
    await producer.send_offsets_to_transaction({place: offset}, settings.app_id)


async def find(reader: LogReader, trace: Trace, within_s: float = DEADLINE_S) -> Outcome | None:
    trace.written(AT)
    return await outcome(reader, trace, AT, asyncio.get_running_loop().time() + within_s)


async def test_an_accepted_input_has_the_version_and_all_it_caused(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings) as reader:
        with Trace(reader, ONE, "in-1") as trace:
            async with producer.transaction():
                await publish(producer, settings, "account-snapshots", ONE, snapshot(7), accepted="40,41")
                await publish(producer, settings, "invoices", ONE, fact("invoice-issued", 1))
                await publish(producer, settings, "alerts", ONE, fact("payment-reversed", 2))
                await publish(producer, settings, "ledger-entries", ONE, fact("ledger-entry-posted", 3))
                await publish(producer, settings, "ledger-entries", ONE, fact("ledger-entry-posted", 4))
                await publish(producer, settings, "refills", ONE, fact("payment-reversed", 2))
                await publish(producer, settings, "charges", ONE, fact("call-charged", 5, caused_by="in-11"))
                await publish(producer, settings, "charges", ONE, fact("call-charged", 6, caused_by=None, note="in-1"))
            found = await find(reader, trace)
            assert found is not None
            assert (found.kind, found.version) == ("accepted", 7)
            # In the order of the contract's topics, one that is on two topics once, and no snapshot.
            assert [json.loads(one)["id"] for one in found.facts] == ["fact-2", "fact-3", "fact-4", "fact-1"]


async def test_a_dead_letter_with_its_address_refuses_it(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings) as reader:
        with Trace(reader, ONE, "in-1") as trace:
            async with producer.transaction():
                for offset, code in (("40", "too_late"), ("41", "unknown_plan")):
                    letter = {"errors_code": code, "errors_message": "why", "errors_partition": str(HOME)}
                    await publish(producer, settings, "dead-letters", ONE, b"", **letter, errors_offset=offset)
            assert await find(reader, trace) == Outcome("refused", code="unknown_plan", message="why")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("unknown_account", "refused"), ("insufficient_balance", "repeat")],
)
async def test_without_either_it_is_a_repeat_once_it_is_committed(
    settings: Settings, reason: str, expected: str
) -> None:
    """The offset alone says nothing: it must be behind the input, and the reader behind the outputs."""
    async with engine(settings) as producer, reading(settings) as reader:
        with Trace(reader, ONE, "in-1") as trace:
            assert await find(reader, trace, 1.0) is None, "the group has no offset"
            async with producer.transaction():
                await publish(producer, settings, "account-snapshots", ONE, snapshot(3), accepted="40")
                await commit(producer, settings, 41)
            assert await find(reader, trace, 1.0) is None, "the input is the next one"
            async with producer.transaction():
                await publish(producer, settings, "call-decisions", ONE, fact("call-redirected", 1, reason=reason))
                await commit(producer, settings, 42)
            found = await find(reader, trace)
            assert found is not None
            assert found.kind == expected
            assert found.version == (None if expected == "refused" else 3)
            assert found.facts == []


async def test_an_older_offset_than_before_says_nothing(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings) as reader:
        with Trace(reader, ONE, "in-1") as trace:
            async with producer.transaction():
                await commit(producer, settings, 100)
            assert await find(reader, trace) == Outcome("repeat")
            async with producer.transaction():
                await commit(producer, settings, 60)
            async with asyncio.timeout(DEADLINE_S):
                while await reader.committed(HOME) != -1:  # noqa: ASYNC110 the broker shows it a moment later
                    await asyncio.sleep(0.02)
            assert await find(reader, trace, 1.0) is None
