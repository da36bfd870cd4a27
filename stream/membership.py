"""A member of a consumer group that ends the process when it cannot join.

The Kafka client reports a refusal of the coordinator only at the next fetch. A member that still waits for its
partitions fetches nothing, so it would wait for ever, unready, without a reason in its log.
"""

import asyncio
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from stream import log
from stream.fail_stop import Exit, halt
from stream.failures import classify, fail
from stream.settings import Settings

logger = log.get("group")

CHECK_EVERY_S = 0.5
# A refusal that is not known to be permanent may pass: joining is retried for this long.
REFUSED_FOR_S = 30.0
# How long a rebalance waits for a member that must give partitions up: what it has under way, and a commit.
REBALANCE_TIMEOUT_MS = 15_000
# A joining member is answered only after the rebalance, so a longer wait means that the answer is lost.
REQUEST_TIMEOUT_MS = REBALANCE_TIMEOUT_MS + 1_000


class GroupMember(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """A consumer that ends the process when the group refuses it permanently."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await super().start()
        self._watch = asyncio.create_task(self._watch_group(), name="group membership")
        self._watch.add_done_callback(_end_if_failed)

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await super().stop()

    async def _watch_group(self) -> None:
        refused_at: float | None = None
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                # Raises the refusal and clears it, so that the client tries again.
                self._coordinator.check_errors()
            except KafkaError as error:
                refused_at = refused_at or monotonic()
                self._evaluate(error, monotonic() - refused_at)
            if self.assignment():
                refused_at = None

    def _evaluate(self, error: KafkaError, refused_for_s: float) -> None:
        coordinator = self._coordinator
        fields = {"group": coordinator.group_id, "session_timeout_ms": coordinator._session_timeout_ms}  # noqa: SLF001
        if coordinator._coordination_task.done():  # noqa: SLF001 the library is pinned
            fail("the task that keeps this process in its consumer group has failed", error, **fields)
        failure = classify(error)
        if failure.status is Exit.PERSON:
            fail("the broker refuses this process in its consumer group", error, **fields)
        if refused_for_s > REFUSED_FOR_S:
            halt("this process could not join its consumer group", status=Exit.PASSING, error=failure.line, **fields)
        logger.warning("joining the consumer group again", error=failure.line, **fields)


def sharing_member(settings: Settings, group: str) -> GroupMember:
    """A member that only shares partition numbers out: number n of all its topics goes to one member, which reads by
    other means.
    """
    return GroupMember(
        **settings.connection.options,
        group_id=group,
        client_id=group,
        partition_assignment_strategy=[RangePartitionAssignor],
        enable_auto_commit=False,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.session_timeout_ms // 3,
        # It never polls, because it fetches nothing. A stuck event loop sends no heartbeats either.
        max_poll_interval_ms=10**9,
        rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def _end_if_failed(watch: asyncio.Task[None]) -> None:
    error = None if watch.cancelled() else watch.exception()
    if error is not None:
        fail("watching the consumer group failed", error)
