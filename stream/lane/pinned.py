"""Checks, when a worker starts, the private names of Faust, mode and aiokafka that the engine depends on.

The three are pinned to exact versions. If another version slips through, this check gives one clear line instead of a
wrong balance.
"""

import inspect
from collections.abc import Callable
from typing import Any

import faust
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from mode import Service

from stream.fail_stop import PersonNeededError

# ruff: noqa: SLF001 private names are what this file is about

EXPECTED: dict[Callable[..., Any], tuple[str, ...]] = {
    App._on_agent_error: ("self", "agent", "exc"),
    App._create_directories: ("self",),
    Service._crash: ("self", "reason"),
    faust.Worker._shutdown_loop: ("self",),
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
    consumer.Consumer.on_partitions_assigned: ("self", "assigned", "generation_id"),
    Recovery.on_recovery_completed: ("self", "generation_id"),
    Recovery._wait: ("self", "coro", "timeout"),
    driver.Consumer._new_consumer_thread: ("self",),
    driver.Consumer.verify_event_path: ("self", "now", "tp"),
    driver.Producer._settings_auth: ("self",),
    driver.AIOKafkaConsumerThread._create_worker_consumer: ("self", "transport"),
    driver.AIOKafkaConsumerThread._fetch_records: ("self", "consumer", "active_partitions", "timeout", "max_records"),
    driver.AIOKafkaConsumerThread._ensure_consumer: ("self",),
    FetchResult.getall: ("self", "max_records"),
    PartitionRecords.__init__: (
        "self",
        "tp",
        "records",
        "aborted_transactions",
        "fetch_offset",
        "key_deserializer",
        "value_deserializer",
        "check_crcs",
        "isolation_level",
    ),
    PartitionRecords._unpack_records: ("self",),
    PartitionRecords._consume_aborted_up_to: ("self", "batch_offset"),
    PartitionRecords._contains_abort_marker: ("self", "next_batch"),
    Fetcher.fetched_records: ("self", "partitions", "timeout", "max_records"),
    GroupCoordinator._do_heartbeat: ("self",),
    GroupCoordinator.check_errors: ("self",),
    AIOKafkaClient.send: ("self", "node_id", "request", "group"),
    AIOKafkaClient.coordinator_lookup: ("self", "coordinator_type", "coordinator_key"),
    AIOKafkaClient.set_topics: ("self", "topics"),
    create_conn: (
        "host",
        "port",
        "client_id",
        "request_timeout_ms",
        "ssl_context",
        "security_protocol",
        "max_idle_ms",
        "on_close",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "sasl_kerberos_service_name",
        "sasl_kerberos_domain_name",
        "sasl_oauth_token_provider",
    ),
}
BUILDER_METHODS = ("append", "build")
# The names that `record_batches.install` replaces, and the attributes of a batch that it reads.
REPLACED = ("MemoryRecords", "PartitionRecords")
BATCH_FIELDS = ("attributes", "base_offset", "next_offset", "producer_id", "validate_crc")


class PinnedError(PersonNeededError):
    """A library is not the version this engine was built on; the message names the difference."""


def check() -> None:
    """Raise PinnedError that names every function whose parameters differ from the expected ones."""
    wrong = []
    for function, names in EXPECTED.items():
        found = tuple(inspect.signature(function).parameters)
        if found != names:
            wrong.append(f"{function.__module__}.{function.__qualname__} takes {found}, expected {names}")
    wrong += [
        f"a record batch has no {name}" for name in BUILDER_METHODS if not hasattr(DefaultRecordBatchBuilder, name)
    ]
    wrong += [f"a fetched batch has no {name}" for name in BATCH_FIELDS if not hasattr(DefaultRecordBatch, name)]
    wrong += [f"the fetcher has no {name}" for name in REPLACED if not hasattr(fetcher, name)]
    if wrong:
        raise PinnedError("; ".join(wrong))
