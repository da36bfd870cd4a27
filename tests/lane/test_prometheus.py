"""The project's alerts on a real Prometheus that scrapes real workers: they load, they fire, and their links
resolve.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.partitioning import partition_of
from tests.deploy.prometheus import FOLDER, MISSING, SERVER, Prometheus, expression_of
from tests.lane.scrape import wait_port
from tests.lane.stage import PARTITIONS, Stage, wait_until
from tests.payments.adapter_stage import PythonProcess

pytestmark = pytest.mark.skipif(SERVER is None, reason=MISSING)

WORKERS = "tollgate-worker"


def series(prometheus: Prometheus, alert: str) -> dict[int, float]:
    """What the alert's expression has now, by partition."""
    return {int(labels["partition"]): value for labels, value in prometheus.query(expression_of(alert))}


def test_every_rule_loads_and_every_link_leads_to_its_section(stage: Stage, tmp_path: Path) -> None:
    port = wait_port(stage.worker())
    with Prometheus(tmp_path, {WORKERS: [port]}) as prometheus:

        def rules() -> list[dict[str, object]]:
            [group] = prometheus.api("rules")["groups"]
            return list(group["rules"])

        wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "each rule evaluated")
        assert {str(rule["name"]): rule["health"] for rule in rules()} == {str(r["name"]): "ok" for r in rules()}
        assert len(rules()) == (FOLDER / "alerts.yml").read_text().count("- alert:")
        # No adapter and no second worker: what is down is shown as down, and what is up as up.
        wait_until(lambda: ({"job": WORKERS}, 1.0) in prometheus.query("sum by (job) (up)"), "the worker scraped")
        page = prometheus.get("/consoles/runbook.html")
        ids = re.findall(r'id="([^"]+)"', page)
        assert {str(rule["name"]).lower() for rule in rules()} <= set(ids)
        assert "<p>" in page
        assert "{{" not in page


def test_a_link_resolves_where_the_prometheus_that_fired_is_reached(tmp_path: Path) -> None:
    with Prometheus(tmp_path, {}) as prometheus:  # No worker at all: the first alert is about that.
        wait_until(lambda: bool(prometheus.api("alerts")["alerts"]), "an alert")
        [alert] = prometheus.api("alerts")["alerts"]
        address, anchor = alert["annotations"]["runbook_url"].split("#")
        assert address.startswith(prometheus.url)
        assert f'id="{anchor}"' in prometheus.get(address.removeprefix(prometheus.url))


def test_a_partition_without_owner_is_seen_until_another_worker_has_it(stage: Stage, tmp_path: Path) -> None:
    """Takes half a minute: the killed worker's session, and a second of scrapes around each state."""
    survivor, killed = stage.worker(session_timeout_ms=15_000), stage.worker(session_timeout_ms=15_000)
    wait_until(lambda: len(survivor.owned()) == len(killed.owned()) == PARTITIONS // 2, "an even share", 60)
    alert = "TollgatePartitionWithoutOwner"
    with Prometheus(tmp_path, {WORKERS: [wait_port(survivor), wait_port(killed)]}) as prometheus:
        owned = "max by (partition) (tollgate_partition_owned) == 1"
        wait_until(lambda: len(prometheus.query(owned)) == PARTITIONS, "all owned, as Prometheus sees it")
        assert series(prometheus, alert) == {}
        killed.kill()

        def unowned() -> bool:
            seen = series(prometheus, alert)
            return bool(seen) and set(seen) == set(range(PARTITIONS)) - survivor.owned()

        wait_until(unowned, "those that the survivor has not, and no other")
        survivor.wait_owned()
        wait_until(lambda: series(prometheus, alert) == {}, "none without owner")


def test_a_transaction_left_open_in_the_inputs_is_seen_until_it_ends(stage: Stage, tmp_path: Path) -> None:
    """Takes most of a minute, because a transaction counts as left open after half a minute."""
    worker = stage.worker()
    worker.wait_owned()
    with Prometheus(tmp_path, {WORKERS: [wait_port(worker)]}) as prometheus:
        asyncio.run(leave_open(stage, prometheus))
        wait_until(lambda: series(prometheus, "TollgateInputStalled") == {}, "the end of the standstill")
        stage.send(stage.deposits(40))
        stage.check_exactly_once()


async def leave_open(stage: Stage, prometheus: Prometheus) -> None:
    """Until the alert's expression has the partition, and it alone."""
    options = {"transactional_id": f"{stage.app_id}-open", "transaction_timeout_ms": 300_000}
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, **options) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(stage.topic("account-events"), b"{}", partition=5)

        def stalls() -> bool:
            return set(series(prometheus, "TollgateInputStalled")) == {5}

        await asyncio.to_thread(wait_until, stalls, "the stalled partition, and no other", 60)
        await producer.abort_transaction()


START = datetime(2026, 1, 31, 10, tzinfo=UTC)
CARD: dict[str, Any] = {"token": "cus_1/pm_1", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
ACCOUNT = "a-1"
HOME = partition_of(ACCOUNT.encode(), PARTITIONS)


def account_input(kind: str, number: int, at: datetime = START, **fields: object) -> bytes:
    occurred_at = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    account_id = "*" if kind == "clock-ticked" else ACCOUNT
    event = {"type": kind, "id": f"in-{number}", "account_id": account_id, "occurred_at": occurred_at, **fields}
    return json.dumps(event).encode()


@pytest.fixture
def product(stage: Stage, tmp_path: Path) -> Iterator[PythonProcess]:
    """A worker with the product's rules, whose time is that of the ticks it is given."""
    settings = {
        **stage.settings().model_dump(include={"bootstrap_servers", "app_id", "topic_prefix", "partitions"}),
        "clock": "simulation",
        "health_port": 0,
    }
    env = {f"TOLLGATE_{name.upper()}": str(value) for name, value in settings.items()}
    process = PythonProcess(["stream", "worker"], env, tmp_path / "product.log")
    yield process
    process.kill()


def give(stage: Stage, inputs: Iterable[tuple[bytes, bytes]]) -> None:
    stage.write(stage.topic("account-events"), ((HOME, key, value) for key, value in inputs))


def test_a_payment_that_no_adapter_answers_is_seen_until_it_is(
    stage: Stage, product: PythonProcess, tmp_path: Path
) -> None:
    wait_until(lambda: bool(product.events("partitions owned")), "a worker with partitions")
    port = product.events("worker starts")[0]["health_port"]
    key, alert = ACCOUNT.encode(), "TollgatePaymentsUnanswered"
    requested = [
        (b"*", account_input("clock-ticked", 0)),
        (key, account_input("account-opened", 1, plan="free")),
        (key, account_input("payment-method-added", 2, payment_method_id="pm-1", **CARD)),
        (key, account_input("credits-purchase-requested", 3, purchase_id="b-1", amount_micros=20_000_000)),
    ]
    with Prometheus(tmp_path, {WORKERS: [port]}) as prometheus:
        give(stage, requested)
        [request] = stage.read(stage.topic("payment-requests"), lambda found: len(found) == 1)
        give(stage, [(b"*", account_input("clock-ticked", 4, START + timedelta(minutes=15)))])
        oldest = f'tollgate_oldest_unanswered_payment_seconds{{partition="{HOME}"}}'
        wait_until(lambda: [value for _, value in prometheus.query(oldest)] == [900], "a quarter of an hour")
        assert series(prometheus, alert) == {}
        give(stage, [(b"*", account_input("clock-ticked", 5, START + timedelta(minutes=40)))])
        wait_until(lambda: series(prometheus, alert) == {HOME: 2_400}, "the partition that waits, and no other")
        payment_id = json.loads(request.value)["payment_id"]
        give(stage, [(key, account_input("payment-succeeded", 6, payment_id=payment_id))])
        wait_until(lambda: series(prometheus, alert) == {}, "nothing unanswered")
        wait_until(lambda: [value for _, value in prometheus.query(oldest)] == [0], "0, and not nothing")
