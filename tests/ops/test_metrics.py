"""What a scrape shows, before and after a worker owns partitions."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

from agents.notifier.metrics import Metrics as NotifierMetrics
from agents.views.metrics import Metrics as ViewsMetrics
from payments.adapter.metrics import Metrics as PaymentMetrics
from schemas.rows import Checkpoint
from stream.lane.changelog import LedgerPartition
from stream.offsets import Offsets
from stream.ops.lag import LagView
from stream.ops.metric_table import DEAD_LETTER_CODES, PROCESS_METRICS, UNBILLED_CODES, UNTYPED_CODES
from stream.ops.metrics import Metrics
from stream.ops.partition_metrics import PartitionCollector
from tests.agents.partition import Partition
from tests.rules.story import Story


@dataclass
class App:
    """The parts of the worker's app that a scrape reads."""

    partitions: int = 4
    metrics: Metrics = field(default_factory=Metrics)
    view: LagView = field(default_factory=LagView)

    def __post_init__(self) -> None:
        self.settings = SimpleNamespace(partitions=self.partitions)
        self.rows = SimpleNamespace(owned={})
        self.clocks: dict[int, int] = {}
        self.wallets = Partition().wallets
        self.metrics.registry.register(PartitionCollector(self, self.view, lambda: 100.0))

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


REGISTRIES = {
    "worker": App().metrics.registry,
    "payments": PaymentMetrics(lambda: 0, lambda: 0.0).registry,
    "views": ViewsMetrics(dict).registry,
    "notifier": NotifierMetrics().registry,
}
each_program = pytest.mark.parametrize("registry", REGISTRIES.values(), ids=REGISTRIES)


@each_program
def test_the_process_is_shown(registry: CollectorRegistry) -> None:
    text = generate_latest(registry).decode()
    for name in (*PROCESS_METRICS, "python_info", "python_gc_collections_total", "process_open_fds"):
        assert f"\n{name}" in text


@each_program
def test_no_counter_or_histogram_brings_a_series_of_when_it_was_made(registry: CollectorRegistry) -> None:
    open_metrics = generate_open_metrics(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    for text in (generate_latest(registry), open_metrics):
        assert b"_total" in text
        assert b"_bucket" in text
        assert b"_created" not in text


def test_every_partition_is_shown_as_owned_or_not() -> None:
    app = App()
    app.rows.owned = {1: LedgerPartition(), 3: LedgerPartition()}
    assert [app.sample("tollgate_partition_owned", partition=str(p)) for p in range(4)] == [0, 1, 0, 1]
    assert app.sample("tollgate_partition_owned", partition="4") is None


def test_a_commit_ages_until_the_next_and_a_partition_that_left_shows_nothing() -> None:
    app = App()
    app.metrics.owned([0, 1])
    app.metrics.committed_at[0] = 97.5
    assert app.sample("tollgate_seconds_since_commit", partition="0") == 2.5
    app.metrics.owned([0, 2])  # Another rebalance is no commit.
    assert app.sample("tollgate_seconds_since_commit", partition="0") == 2.5
    assert app.sample("tollgate_seconds_since_commit", partition="1") is None
    assert app.sample("tollgate_seconds_since_commit", partition="2") is not None


def test_money_counters_are_those_of_the_partitions_own_row_once_it_is_restored() -> None:
    app = App()
    row = Checkpoint(5, 1, {"USD": 3}, charged_micros={"EUR": 7, "USD": 9}, given_back_micros={"USD": 4})
    mine = app.rows.owned[2] = LedgerPartition(checkpoint=row)
    app.rows.owned[3] = LedgerPartition(open=True)
    charged, given_back = "tollgate_charged_micros_total", "tollgate_given_back_micros_total"
    assert app.sample(charged, currency="USD", partition="2") is None
    mine.open = True
    assert app.sample(charged, currency="USD", partition="2") == 9
    assert app.sample(charged, currency="EUR", partition="2") == 7
    assert app.sample(given_back, currency="USD", partition="2") == 4
    assert app.sample(charged, currency="USD", partition="3") is None
    app.rows.owned[3].checkpoint = Checkpoint(5, 1)  # Nothing charged yet: a rate needs the 0 before the first.
    assert (
        app.sample(charged, currency="USD", partition="3") == app.sample(given_back, currency="USD", partition="3") == 0
    )


def test_p14_the_oldest_unanswered_payment_ages_by_the_partitions_clock() -> None:
    app, partition, story = App(), Partition(), Story("a").opens("professional").adds_card()
    app.wallets = partition.wallets
    name = "tollgate_oldest_unanswered_payment_seconds"
    partition.take(*story.inputs)
    requested_ms = partition.wallets.oldest_unanswered_ms(0)
    assert requested_ms is not None
    app.clocks = {0: requested_ms + 90_500, 1: requested_ms}
    assert app.sample(name, partition="0") is None  # It is not ours.
    app.rows.owned = {0: LedgerPartition(open=True), 1: LedgerPartition(open=True), 2: LedgerPartition(open=True)}
    assert app.sample(name, partition="0") == 90.5
    assert app.sample(name, partition="1") == 0  # Its wallets have just been closed, in the other thread.
    assert app.sample(name, partition="2") == 0  # Nothing requested, and no tick yet.
    app.clocks[0] = requested_ms - 1
    assert app.sample(name, partition="0") == 0
    app.clocks[0] = requested_ms + 90_500
    partition.take(story.pays(payment_id="a/subscription/1/1").inputs[-1])
    assert app.sample(name, partition="0") == 0


def test_progress_is_shown_while_it_is_known() -> None:
    app = App()
    assert app.sample("tollgate_lag_records", partition="0") is None
    app.view.update({0: Offsets(0, 50, 40, 30)}, {}, 99.0)
    names = ("lag_records", "committed_offset", "undecided_records", "input_stalled_seconds")
    assert [app.sample(f"tollgate_{name}", partition="0") for name in names] == [20, 30, 10, 1]
    app.view.update({0: Offsets(0, 50, 50, 50)}, {}, 0.0)
    assert [app.sample(f"tollgate_{name}", partition="0") for name in names] == [None] * 4


def test_a_scrape_while_partitions_come_and_go_neither_fails_nor_shows_what_never_was() -> None:
    app = App(partitions=64)
    stop = threading.Event()

    def rebalance() -> None:
        while not stop.is_set():
            for n in range(64):
                app.rows.owned[n] = LedgerPartition(checkpoint=Checkpoint(n, n), open=True)
                app.metrics.committed_at[n] = n
            app.metrics.owned(range(32))
            app.rows.owned.clear()

    thread = threading.Thread(target=rebalance)
    thread.start()
    try:
        for _ in range(300):
            text = generate_latest(app.metrics.registry).decode()
            assert text.count("tollgate_partition_owned{") == 64
    finally:
        stop.set()
        thread.join()


def test_codes_of_unreadable_inputs_promise_no_count_of_calls() -> None:
    assert set(UNBILLED_CODES) == set(DEAD_LETTER_CODES) - UNTYPED_CODES
