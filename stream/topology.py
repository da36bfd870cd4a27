"""The worker's app: its topics, table, agent and services.

account-events --> wallet (one batch, one transaction) --> call-decisions, charges, alerts, refills, payment-requests,
     ^               |        ^                            ledger-entries, account-snapshots, invoices, dead-letters
     |               v        | restored from
ticker (leader)    <app>-wallet-rows (changelog)
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import faust
from aiokafka import TopicPartition
from faust.types import TP

from agents.wallet.agent import Wallets
from agents.wallet.clock import Timing
from schemas import rows
from schemas.batch import BatchResult
from schemas.plan import load_catalogue
from stream import log, topics
from stream.broker_link import BrokerLink, give_up_after_s
from stream.failures import fail
from stream.lane import transport as batches
from stream.lane.buffer import PartitionBuffer
from stream.lane.changelog import CheckRow
from stream.lane.committer import BatchCommitter
from stream.lane.recovery import Tables
from stream.lane.scheduler import BatchScheduler
from stream.lane.table import LedgerTable
from stream.lane.transaction import PartitionWriter
from stream.ops.lag import LagMonitor
from stream.ops.metrics import Metrics
from stream.ops.partition_metrics import PartitionCollector
from stream.ops.ticker import Ticker
from stream.ops.watchdog import Watchdog
from stream.settings import Settings

logger = log.get("wallet")

# A rebalance waits at most this many sessions for one member.
REBALANCE_SESSIONS = 2
REQUEST_SLACK_S = 1.0


class Tollgate(faust.App):  # type: ignore[misc]  # Faust has no types
    """A Faust app that commits with its own transactions and ends the process on any error."""

    rows: LedgerTable
    writer_class = PartitionWriter

    def __init__(self, settings: Settings, wallets: Any, check_row: CheckRow) -> None:
        self.settings, self.wallets, self.check_row = settings, wallets, check_row
        self.metrics = Metrics(self._gauges)
        self.input_topic = settings.topic(topics.INPUTS)
        self.changelog = topics.changelog(settings)
        self.buffers: dict[int, PartitionBuffer] = {}
        # Whether the current assignment is taken over: from `on_owned` until the next rebalance begins.
        self.taken_over = False
        self.committer = BatchCommitter(self)
        # Each partition's clock (ms), when it last moved (monotonic), and the newest broker timestamp of any partition.
        self.clocks: dict[int, int] = {}
        self.ticked_s: dict[int, float] = {}
        self.newest_arrived_ms: int | None = None
        super().__init__(settings.app_id, **faust_settings(settings))

    def is_input(self, tp: TP) -> bool:
        return bool(tp.topic == self.input_topic)

    @property
    def ready(self) -> bool:
        """Whether this worker has restored its partitions and consumes. Without partitions it is ready, on standby."""
        return self.tables.actives_ready and not self.rebalancing and not self.should_stop

    @property
    def leads(self) -> bool:
        """Whether this worker ticks for all partitions, as the owner of partition 0 does."""
        return self.ready and 0 in self.buffers

    def next_offsets(self) -> dict[TopicPartition, int]:
        return {TopicPartition(self.input_topic, p): ledger.next_offset for p, ledger in self.rows.owned.items()}

    async def new_writer(self, partition: int) -> PartitionWriter:
        """A new, connected writer."""
        settings = self.settings
        link = BrokerLink(
            settings.connection,
            f"{settings.app_id}-{partition}",
            give_up_after_s(settings.transaction_timeout_ms),
        )
        await link.open(topics.declared(settings))
        return self.writer_class(
            link,
            app_id=settings.app_id,
            input_partition=TopicPartition(self.input_topic, partition),
            transaction_timeout_ms=settings.transaction_timeout_ms,
        )

    def forget_fetched(self) -> None:
        """Discard fetched records that no batch has taken: after a rebalance another worker may own them."""
        for buffer in self.buffers.values():
            buffer.close()

    def on_owned(self, partitions: Iterable[int]) -> None:
        """Start with empty buffers for these partitions, so that the first records to arrive wake the agent."""
        limits = (self.settings.batch_records_max, self.settings.buffer_records_max)
        self.buffers = {partition: PartitionBuffer(partition, *limits) for partition in partitions}
        self.clocks, now_s = {}, time.monotonic()
        self.ticked_s = dict.fromkeys(self.buffers, now_s)
        for partition, buffer in self.buffers.items():
            buffer.behind = self.wallets.overdue(partition)
        self.taken_over = True
        self.metrics.owned(self.buffers)
        logger.info("partitions owned", partitions=sorted(partitions))

    async def finish_batches(self) -> None:
        """Start no new batch and wait for those under way. The watchdog ends the process if one never ends."""
        self.forget_fetched()
        while any(buffer.under_way for buffer in self.buffers.values()):  # noqa: ASYNC110 a rare wait, one event less
            await asyncio.sleep(0.002)

    def record_time(self, partition: int, result: BatchResult) -> None:
        """Record the partition's clock and the newest broker timestamp after a committed batch, for the ticker."""
        if result.clock_ms is not None and result.clock_ms != self.clocks.get(partition):
            self.clocks[partition], self.ticked_s[partition] = result.clock_ms, time.monotonic()
        if result.arrived_ms is not None:
            self.newest_arrived_ms = max(result.arrived_ms, self.newest_arrived_ms or 0)

    def _gauges(self) -> dict[str, int]:
        return {**self.wallets.gauges(), "rows": sum(len(ledger.rows) for ledger in list(self.rows.owned.values()))}

    def _create_directories(self) -> None:
        """No directories: state is in memory and in the log."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:  # noqa: ARG002 Faust's signature
        """End the process; Faust would ack the batch and go on."""
        record = self.wallets.deciding
        where = {} if record is None else {"partition": record.partition, "offset": record.offset}
        fail("the wallet agent failed", exc, **where)

    def _crash(self, reason: BaseException) -> None:
        """End the process; Faust would stop one service after another, but a failed worker has nothing to finish."""
        fail("a part of the worker failed", reason)


def faust_settings(settings: Settings) -> dict[str, Any]:
    """Faust's own settings, for every process with a Faust app."""
    seconds = settings.session_timeout_ms / 1000
    brokers = settings.bootstrap_servers.split(",")
    return {
        # By default Faust's settings may come from the environment too, where they take precedence: BROKER_URL, for
        # example, which the demo reads, would replace the transport below by Faust's own.
        "env": {},
        # The transport of this scheme makes its clients with the connection; Faust's own would make them without.
        "broker": [f"{batches.SCHEME}://{broker.strip()}" for broker in brokers],
        "broker_session_timeout": seconds,
        "broker_heartbeat_interval": seconds / 3,
        # The broker answers a JoinGroup only after all members have rejoined, which may take the whole rebalance
        # time-out. The request time-out is a little longer, so that only a lost answer exceeds it.
        "broker_rebalance_timeout": seconds * REBALANCE_SESSIONS,
        "broker_request_timeout": seconds * REBALANCE_SESSIONS + REQUEST_SLACK_S,
        # The group would remove a worker on standby, without a partition, after this time (s).
        "broker_max_poll_interval": 10**6,
        "producer_acks": -1,
        "store": "memory://",
        "table_standby_replicas": 0,
        "Table": LedgerTable,
        "TableManager": Tables,
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
    """Build the worker's app, one per process. `wallets` decides the batches, the product's own when None."""
    if wallets is None:
        timing = Timing(by_ticks=settings.simulation, tick_ahead_max_ms=settings.tick_ahead_max_ms)
        wallets = Wallets(
            load_catalogue(settings.plans, settings.currencies), settings.keys(), settings.partitions, timing
        )
    batches.register()
    app = Tollgate(settings, wallets, check_row)
    changelog = app.topic(app.changelog, partitions=settings.partitions, acks=False, schema=batches.Undecoded())
    app.rows = app.Table("wallet-rows", partitions=settings.partitions, changelog_topic=changelog)
    inputs = app.topic(app.input_topic, partitions=settings.partitions, acks=False, schema=batches.Undecoded())

    scheduler = BatchScheduler(app)

    @app.agent(inputs, name="wallet", isolated_partitions=True)  # type: ignore[untyped-decorator]  # Faust has no types
    async def wallet(wake_ups: Any) -> None:
        async for buffer in wake_ups:
            await scheduler.serve(buffer)

    if settings.clock == "wall":
        app.service(Ticker(app))
    app.service(scheduler)
    lag = LagMonitor(app)
    app.service(lag)
    app.service(Watchdog(app, lag.view))
    app.metrics.registry.register(PartitionCollector(app, lag.view))
    return app
