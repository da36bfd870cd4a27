"""The gateway's reader on a real broker: what it hands over, what it passes over, and what it survives."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from devkit.broker import DevBroker
from gateway.log.reader import TOPICS, LogReader, Seen
from gateway.log.writer import LogWriter
from schemas.partitioning import partition_of
from stream import topics
from stream.settings import Settings
from tests.gateway.log.stage import DEADLINE_S, ONE, OTHER, PARTITIONS, engine, pass_ends, publish, reading, until
from tests.lane.operator import delete_topic


async def test_it_hands_over_what_is_committed_for_a_watched_account(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings) as reader:
        seen: list[Seen] = []
        with reader.watch(ONE, seen.append):
            async with producer.transaction():
                for number in range(200):
                    await publish(producer, settings, "charges", ONE, b"%d" % number, h="1")
                    await publish(producer, settings, "charges", OTHER, b"other")
            await producer.begin_transaction()
            await publish(producer, settings, "charges", ONE, b"aborted")
            await producer.flush()
            await producer.abort_transaction()
            async with producer.transaction():
                for topic in TOPICS:
                    await publish(producer, settings, topic, ONE, topic.encode(), h="1")
            await pass_ends(reader, ONE)
        charges = [one for one in seen if one.topic == "charges"]
        assert [one.value for one in charges] == [*(b"%d" % number for number in range(200)), b"charges"]
        assert {one.topic for one in seen if one.value == one.topic.encode()} == set(TOPICS)
        assert {(one.key, one.partition, one.headers) for one in seen} == {
            (ONE.encode(), partition_of(ONE.encode(), PARTITIONS), (("h", b"1"),))
        }


async def test_an_open_transaction_is_waited_for(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings) as reader:
        seen: list[Seen] = []
        with reader.watch(ONE, seen.append):
            await producer.begin_transaction()
            await publish(producer, settings, "alerts", ONE, b"open")
            await producer.flush()
            passing = asyncio.ensure_future(pass_ends(reader, ONE))
            await pass_ends(reader, next(other for other in ("a", "b", "c", "d", "e") if elsewhere(other)))
            assert not passing.done()
            assert not seen
            await producer.commit_transaction()
            await passing
        assert [one.value for one in seen] == [b"open"]


def elsewhere(account: str) -> bool:
    return partition_of(account.encode(), PARTITIONS) != partition_of(ONE.encode(), PARTITIONS)


async def test_a_closed_watch_hears_nothing_and_records_of_nobody_are_passed(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings) as reader:
        first: list[Seen] = []
        second: list[Seen] = []
        watches = [reader.watch(ONE, first.append), reader.watch(ONE, second.append)]
        async with producer.transaction():
            await publish(producer, settings, "charges", ONE, b"1")
        await pass_ends(reader, ONE)
        watches[0].close()
        watches[0].close()
        async with producer.transaction():
            await publish(producer, settings, "charges", ONE, b"2")
        await pass_ends(reader, ONE)
        watches[1].close()
        async with producer.transaction():
            await publish(producer, settings, "charges", ONE, b"3")
        await pass_ends(reader, ONE)
        assert ([one.value for one in first], [one.value for one in second]) == ([b"1"], [b"1", b"2"])


async def test_in_simulation_it_knows_the_newest_time(settings: Settings) -> None:
    async with engine(settings) as producer, reading(settings, simulation=True) as reader:
        async with producer.transaction():
            for second in (5, 9, 7):
                await publish(producer, settings, "charges", ONE, b'{"occurred_at":"1970-01-01T00:00:0%dZ"}' % second)
            await publish(producer, settings, "dead-letters", ONE, b"no event")
            await publish(producer, settings, "call-decisions", ONE, b'{"occurred_at":null}')
            await publish(producer, settings, "alerts", ONE, b"not ours")
        await pass_ends(reader, ONE)
        assert reader.newest_occurred_ms == 9_000


async def committed(reader: LogReader, partition: int) -> int:
    """A new group's coordinator is not there at once."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await reader.committed(partition)
            except KafkaError:
                await asyncio.sleep(0.02)


async def test_the_groups_offset_is_read(settings: Settings) -> None:
    partition = partition_of(ONE.encode(), PARTITIONS)
    async with engine(settings) as producer, reading(settings) as reader:
        assert await committed(reader, partition) == -1
        async with producer.transaction():
            await publish(producer, settings, "charges", ONE, b"1")
            place = TopicPartition(settings.topic(topics.INPUTS), partition)
            await producer.send_offsets_to_transaction({place: 17}, settings.app_id)
        async with asyncio.timeout(DEADLINE_S):
            while (found := await committed(reader, partition)) == -1:  # noqa: ASYNC110 as above
                await asyncio.sleep(0.02)
        assert found == 17


async def test_a_topic_that_is_made_anew_is_read_from_its_start(settings: Settings) -> None:
    async with engine(settings) as producer:
        async with producer.transaction():
            for number in range(50):
                await publish(producer, settings, "refills", ONE, b"%d" % number)
        async with reading(settings) as reader:
            seen: list[Seen] = []
            reader.watch(ONE, seen.append)
            await asyncio.to_thread(delete_topic, settings.bootstrap_servers, settings.topic("refills"))
            await topics.ensure(settings)
            async with engine(settings, "next") as following, following.transaction():
                await publish(following, settings, "refills", ONE, b"new")
            await until(lambda: [one.value for one in seen] == [b"new"], "the record of the new topic")


async def test_broker_restarts_lose_nothing(tmp_path: Path) -> None:
    """A broker of its own: 20 s for its starts."""
    with DevBroker(tmp_path / "kafka") as broker:
        made = Settings(bootstrap_servers=broker.bootstrap, app_id="restarts", partitions=PARTITIONS)
        await topics.ensure(made)
        writer = LogWriter(made)
        await writer.start()
        async with reading(made) as reader:
            seen: list[Seen] = []
            reader.watch(ONE, seen.append)
            addresses = [await writer.write(ONE, b"before")]
            for number in range(2):
                await asyncio.to_thread(broker.stop)
                with pytest.raises(KafkaTimeoutError):
                    await writer.write(ONE, b"lost %d" % number)
                await asyncio.to_thread(broker.start)
                addresses.append(await writer.write(ONE, b"after %d" % number))
                async with engine(made) as producer, producer.transaction():
                    await publish(producer, made, "charges", ONE, b"%d" % number)
                await until(lambda: len(seen) > number, "the record after the restart")  # noqa: B023 called at once
            assert [one.value for one in seen] == [b"0", b"1"]
            assert sorted(addresses) == addresses
            assert reader.ready
        await writer.close()
