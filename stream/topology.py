"""Who feeds whom.

account-events --> wallet (one batch, one transaction) --> call-decisions, charges, alerts, refills, payment-requests,
     ^               |        ^                            ledger-entries, account-snapshots, invoices, dead-letters
     |               v        | restored from
clock (leader)     <app>-wallet-rows (changelog)
"""

import asyncio
import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import faust
from aiokafka import TopicPartition
from faust.types import TP

from agents.wallet.agent import Wallets
from schemas import rows
from schemas.plan import load_catalogue
from stream import batches, dead_letters, log, topics
from stream.batches import Batch, PartitionBuffer
from stream.broker_link import BrokerLink, CommitError, FencedError
from stream.clock import Clock
from stream.fail_stop import halt
from stream.ledger_table import CheckRow, LedgerTable
from stream.metrics import Metrics
from stream.settings import Settings
from stream.transaction import Entry, PartitionWriter
from stream.watchdog import Watchdog

logger = log.get("wallet")

# The broker knows a request to be lost before it aborts the transaction the request belongs to.
GIVE_UP_SHARE = 0.6
# Partitions that commit all at once slow one another down, and each waits for itself; those that wait for their turn
# gather a larger batch meanwhile. With 8 partitions on 2 busy cores, one run of 6 s each (so: a direction, not a
# finding), at 500 and at 1000 inputs/s, input to output,
# p50 / p99 in ms: 8 at once 58 / 120 and 72 / 160, 3: 46 / 113 and 56 / 115, 2: 39 / 89 and 40 / 98, 1: 52 / 131.
PARTITIONS_A_TURN = 4
TURNS_MIN = 2


class Tollgate(faust.App):  # type: ignore[misc]  # Faust has no types
    """A Faust app that commits by transactions of its own and ends the process on any error."""

    rows: LedgerTable
    writer_class = PartitionWriter

    def __init__(self, settings: Settings, wallets: Any, check_row: CheckRow) -> None:
        self.settings, self.wallets, self.check_row = settings, wallets, check_row
        self.metrics = Metrics(self._gauges)
        self.input_topic = settings.topic(topics.INPUTS)
        self.changelog = topics.changelog(settings)
        self.buffers: dict[int, PartitionBuffer] = {}
        # Who may be in a transaction, in the order of asking.
        self.turns = asyncio.Semaphore(max(TURNS_MIN, settings.partitions // PARTITIONS_A_TURN))
        super().__init__(settings.app_id, **_faust_settings(settings))

    def is_input(self, tp: TP) -> bool:
        return bool(tp.topic == self.input_topic)

    @property
    def ready(self) -> bool:
        """Restored and consuming (a worker without partitions is ready: it stands by)."""
        return self.tables.actives_ready and not self.rebalancing and not self.should_stop

    @property
    def leads(self) -> bool:
        """Whether this worker is the one that ticks."""
        return self.ready and 0 in self.buffers

    def next_offsets(self) -> dict[TopicPartition, int]:
        return {TopicPartition(self.input_topic, p): mine.next_offset for p, mine in self.rows.owned.items()}

    async def new_writer(self, partition: int) -> PartitionWriter:
        """A writer nobody has used, connected."""
        settings = self.settings
        link = BrokerLink(
            settings.bootstrap_servers,
            f"{settings.app_id}-{partition}",
            settings.transaction_timeout_ms / 1000 * GIVE_UP_SHARE,
        )
        await link.open(topics.declared(settings))
        return self.writer_class(
            link,
            app_id=settings.app_id,
            input_partition=TopicPartition(self.input_topic, partition),
            transaction_timeout_ms=settings.transaction_timeout_ms,
        )

    def forget_fetched(self) -> None:
        """Drop what was fetched and not begun: after a rebalance it may belong to another worker."""
        for buffer in self.buffers.values():
            buffer.clear()

    def on_owned(self, partitions: Iterable[int]) -> None:
        """Start afresh with these partitions: buffers empty, so that the first records to come wake the agent."""
        limits = (self.settings.batch_records_max, self.settings.buffer_records_max)
        self.buffers = {partition: PartitionBuffer(partition, *limits) for partition in partitions}
        self.metrics.owned(self.buffers)
        logger.info("partitions owned", partitions=sorted(partitions))

    async def finish_batches(self) -> None:
        """Wait for the batches under way; begin no other. One that never ends is ended by the watchdog."""
        self.forget_fetched()
        while any(buffer.under_way for buffer in self.buffers.values()):  # noqa: ASYNC110 a rare wait, one event less
            await asyncio.sleep(0.002)

    async def settle(self, batch: Batch) -> None:
        """Decide a batch and commit it: changelog rows, facts and the input offset, in one transaction."""
        mine = self.rows.owned.get(batch.partition)
        if mine is None or mine.writer is None or batch.begin != mine.next_offset:
            halt(
                "a batch does not begin where the one before ended",
                partition=batch.partition,
                offset=batch.begin,
                expected_offset=None if mine is None else mine.next_offset,
            )
        began = time.perf_counter()
        outcome = self.wallets.decide(batch.partition, batch.records)
        decided = time.perf_counter()
        try:
            await mine.writer.commit(self._entries(outcome), batch.end)
        except FencedError as error:
            halt("another worker has taken the partition over", partition=batch.partition, error=str(error))
        except CommitError as error:
            halt("the outcome of a commit is not known", partition=batch.partition, error=str(error))
        self.rows.apply(batch.partition, outcome.rows)
        mine.next_offset = batch.end
        commit_s = time.perf_counter() - decided
        self.metrics.committed(batch, outcome, decided - began, commit_s, time.time_ns() // 1_000_000)
        logger.debug(
            "batch",
            partition=batch.partition,
            begin=batch.begin,
            end=batch.end,
            records=len(batch.records),
            rows=len(outcome.rows),
            outputs=len(outcome.outputs),
            decide_ms=round((decided - began) * 1_000, 2),
            commit_ms=round(commit_s * 1_000, 2),
        )

    def _entries(self, outcome: Any) -> dict[str, list[Entry]]:
        entries: dict[str, list[Entry]] = {}
        if outcome.rows:
            entries[self.changelog] = [(key.encode(), value, []) for key, value in outcome.rows]
        for output in outcome.outputs:
            value, headers = output.value, list(output.headers)
            if output.topic == topics.DEAD_LETTERS:
                value, headers = dead_letters.fit(value, headers)
            entries.setdefault(self._names[output.topic], []).append((output.key, value, headers))
        return entries

    @cached_property
    def _names(self) -> dict[str, str]:
        return {topic.name: self.settings.topic(topic.name) for topic in topics.CONTRACT if topic.name != topics.INPUTS}

    def _gauges(self) -> dict[str, int]:
        return {**self.wallets.gauges(), "rows": sum(len(mine.rows) for mine in list(self.rows.owned.values()))}

    def _create_directories(self) -> None:
        """None: state is in memory and in the log."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:  # noqa: ARG002 Faust's signature
        """Faust would ack the batch and go on."""
        logger.error("agent failed", exc_info=exc)
        halt("the wallet agent failed", error=repr(exc))

    def _crash(self, reason: BaseException) -> None:
        """Faust would stop service after service; a worker whose part has failed has nothing to finish."""
        logger.error("service failed", exc_info=reason)
        halt("a part of the worker failed", error=repr(reason))


def _faust_settings(settings: Settings) -> dict[str, Any]:
    seconds = settings.session_timeout_ms / 1000
    brokers = settings.bootstrap_servers.split(",")
    return {
        "broker_consumer": [f"{batches.SCHEME}://{broker.strip()}" for broker in brokers],
        "broker_producer": [f"kafka://{broker.strip()}" for broker in brokers],
        "broker": [f"kafka://{broker.strip()}" for broker in brokers],
        "broker_session_timeout": seconds,
        "broker_heartbeat_interval": seconds / 3,
        "broker_request_timeout": max(30.0, seconds * 2),
        "broker_rebalance_timeout": max(30.0, seconds * 2),
        # A worker that stands by without a partition would be put out of the group after this.
        "broker_max_poll_interval": 10**6,
        "producer_acks": -1,
        "store": "memory://",
        "table_standby_replicas": 0,
        "Table": LedgerTable,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": settings.partitions,
        "reply_create_topic": False,
        "autodiscover": False,
        "web_enabled": False,
        "web_tables_enabled": False,
        "stream_wait_empty": True,
        "worker_redirect_stdouts": False,
        "logging_config": log.logging_config(settings.log_level),
    }


def build_app(settings: Settings, *, wallets: Any = None, check_row: CheckRow = rows.check_row) -> Tollgate:
    """The worker's app: one a process. `wallets` is what decides (agents.wallet.agent.Wallets when None)."""
    if wallets is None:
        wallets = Wallets(load_catalogue(settings.plans), signing_keys=settings.keys(), partitions=settings.partitions)
    batches.register()
    app = Tollgate(settings, wallets, check_row)
    changelog = app.topic(app.changelog, partitions=settings.partitions, acks=False, schema=batches.Undecoded())
    app.rows = app.Table("wallet-rows", partitions=settings.partitions, changelog_topic=changelog)
    inputs = app.topic(app.input_topic, partitions=settings.partitions, acks=False, schema=batches.Undecoded())

    @app.agent(inputs, name="wallet", isolated_partitions=True)  # type: ignore[untyped-decorator]  # Faust has no types
    async def wallet(wake_ups: Any) -> None:
        async for buffer in wake_ups:
            while buffer.waiting:
                async with app.turns:
                    batch = buffer.take()
                    if batch is None:
                        break
                    buffer.under_way = True
                    await app.settle(batch)
                    buffer.under_way = False
                    buffer.commits += 1

    if settings.clock == "wall":
        app.service(Clock(app))
    app.service(Watchdog(app))
    return app
