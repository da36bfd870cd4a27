"""The private names of Faust, mode and aiokafka that the engine builds on, checked when a worker starts.

The three are pinned to exact versions; this turns a version that slipped through into one clear line instead of a
balance that is wrong.
"""

import inspect
from collections.abc import Callable
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from mode import Service

# ruff: noqa: SLF001 private names are what this file is about

EXPECTED: dict[Callable[..., Any], tuple[str, ...]] = {
    App._on_agent_error: ("self", "agent", "exc"),
    App._create_directories: ("self",),
    Service._crash: ("self", "reason"),
    faust.Table.on_rebalance: ("self", "assigned", "revoked", "newly_assigned", "generation_id"),
    faust.Table.persisted_offset: ("self", "tp"),
    faust.Table.on_key_set: ("self", "key", "value"),
    faust.Table.on_key_del: ("self", "key"),
    faust.Schema.loads_key: ("self", "app", "message", "loads", "serializer"),
    faust.Schema.loads_value: ("self", "app", "message", "loads", "serializer"),
    consumer.Consumer.getmany: ("self", "timeout"),
    consumer.Consumer.perform_seek: ("self",),
    consumer.Consumer.wait_empty: ("self",),
    consumer.Consumer.commit: ("self", "topics", "start_new_transaction"),
    consumer.Consumer._get_active_partitions: ("self",),
    consumer.Consumer.on_partitions_revoked: ("self", "revoked"),
    Recovery.on_recovery_completed: ("self", "generation_id"),
    driver.Consumer._new_consumer_thread: ("self",),
    driver.Consumer.verify_event_path: ("self", "now", "tp"),
    driver.AIOKafkaConsumerThread._create_worker_consumer: ("self", "transport"),
    driver.AIOKafkaConsumerThread._fetch_records: ("self", "consumer", "active_partitions", "timeout", "max_records"),
    driver.AIOKafkaConsumerThread._ensure_consumer: ("self",),
    Fetcher.fetched_records: ("self", "partitions", "timeout", "max_records"),
    GroupCoordinator._do_heartbeat: ("self",),
    AIOKafkaConsumer.highwater: ("self", "partition"),
    AIOKafkaClient.send: ("self", "node_id", "request", "group"),
    AIOKafkaClient.coordinator_lookup: ("self", "coordinator_type", "coordinator_key"),
    AIOKafkaClient.set_topics: ("self", "topics"),
}
BUILDER_METHODS = ("append", "build")


class PinnedError(Exception):
    """A library is not the version this engine was built on; the message names what differs."""


def check() -> None:
    """Raises PinnedError naming every function that has other parameters than expected."""
    wrong = []
    for function, names in EXPECTED.items():
        found = tuple(inspect.signature(function).parameters)
        if found != names:
            wrong.append(f"{function.__module__}.{function.__qualname__} takes {found}, expected {names}")
    wrong += [
        f"a record batch has no {name}" for name in BUILDER_METHODS if not hasattr(DefaultRecordBatchBuilder, name)
    ]
    if wrong:
        raise PinnedError("; ".join(wrong))
