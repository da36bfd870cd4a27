"""Writes inputs to `account-events` and reports where each one is in the log."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from schemas.partitioning import partition_of
from stream import log
from stream.broker_link import close_in_time
from stream.failures import fail, fail_without_access
from stream.settings import Settings
from stream.topics import INPUTS

logger = log.get("gateway.log")

# A write without an answer for this long fails. The broker may have it all the same.
WRITE_S = 5.0
# One request to a broker. Shorter than a write, so that a lost connection is noticed and replaced within it.
REQUEST_TIMEOUT_MS = 2_000
RETRY_MS = 20
RECONNECT_S = 0.2
# Inputs that arrive while a request is under way go into one batch of at most this size.
BATCH_BYTES_MAX = 256 << 10

Headers = Sequence[tuple[str, bytes]]


class Address(NamedTuple):
    """Where an input is in `account-events`."""

    partition: int
    offset: int


class LogWriter:
    """An idempotent producer, replaced by a new one when it no longer makes progress.

    aiokafka repeats the batches of an idempotent producer for ever, and once the broker has refused one it refuses all
    later ones of the partition, because their sequence numbers have a gap.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(INPUTS)
        self._producer: Any = None
        self._connected = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        # Writes of a partition enter the producer in the order of their calls, also when its batch is full.
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Begin to connect. Brokers that are away are tried until they answer; writes wait for them."""
        self._connecting = self._spawn(self._connect())

    async def close(self) -> None:
        """Close after the writes under way have their answers, or after their time-out."""
        writes = [task for task in self._tasks if task is not self._connecting]
        if writes:
            await asyncio.wait(writes, timeout=WRITE_S)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._producer is not None:
            await close_in_time(self._producer.stop())

    def write(self, account_id: str, value: bytes, headers: Headers = ()) -> asyncio.Future[Address]:
        """Write one input. Writes of an account are in the log in the order of these calls.

        The future has the address once all in-sync replicas have the record. It raises KafkaError after `WRITE_S` or
        when the broker refuses: unless it is a KafkaConnectionError, the record may be in the log, or come there soon.
        """
        return self._spawn(self._write(account_id.encode(), value, headers))

    async def _write(self, key: bytes, value: bytes, headers: Headers) -> Address:
        partition = partition_of(key, self._settings.partitions)
        producer = None
        try:
            async with asyncio.timeout(WRITE_S):
                async with self._turns[partition]:
                    await self._connected.wait()
                    producer = self._producer
                    sent = await producer.send(self._topic, value, key, partition, headers=list(headers))
                answer = await sent
        except TimeoutError:
            self._replace(producer)
            raise KafkaTimeoutError(f"no answer within {WRITE_S} s") from None
        except KafkaError as error:
            fail_without_access(error)
            self._replace(producer)
            raise
        return Address(partition, answer.offset)

    def _replace(self, producer: Any) -> None:
        """Give up `producer`, if it is in use, and connect another one."""
        if producer is None or producer is not self._producer:
            return
        logger.warning("the producer makes no progress and is replaced")
        self._producer = None
        self._connected.clear()
        self._spawn(_abandon(producer))
        self._connecting = self._spawn(self._connect())

    async def _connect(self) -> None:
        while True:
            producer = AIOKafkaProducer(
                **self._settings.connection.options,
                client_id=f"{self._settings.app_id}-gateway",
                enable_idempotence=True,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                retry_backoff_ms=RETRY_MS,
                max_batch_size=BATCH_BYTES_MAX,
            )
            try:
                async with asyncio.timeout(WRITE_S):
                    await producer.start()
                    await producer.partitions_for(self._topic)
            except (KafkaError, TimeoutError) as error:
                fail_without_access(error)
                logger.info("no broker takes inputs yet", error=repr(error))
                await close_in_time(producer.client.close())
                producer._closed = True  # noqa: SLF001 a producer that did not start warns otherwise
                await asyncio.sleep(RECONNECT_S)
            else:
                self._producer = producer
                self._connected.set()
                return

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KafkaError):
            fail("writing to the log failed", error)


async def _abandon(producer: Any) -> None:
    """End a producer without waiting for its batches: it would repeat them for ever."""
    producer._closed = True  # noqa: SLF001 the library is pinned
    await close_in_time(producer._sender.close())  # noqa: SLF001 the library is pinned
    await close_in_time(producer.client.close())
