"""An adapter ends in time and with the right exit status, whatever its broker does."""

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from stream.fail_stop import Exit
from tests.lane.stage import own_name, wait_until
from tests.payments.adapter_stage import AdapterProcess, AdapterStage
from tests.payments.requests import request

# A stop takes at most ten seconds; a busy machine needs some more.
STOPPED_S = 20


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    """Only for this module: it is frozen and killed."""
    with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def stage(broker: DevBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdapterStage]:
    made = AdapterStage(broker.bootstrap, own_name(request.node), tmp_path)
    yield made
    made.close()


def stop_in_time(adapter: AdapterProcess, number: signal.Signals = signal.SIGTERM) -> int:
    adapter.process.send_signal(number)
    return adapter.process.wait(STOPPED_S)


def last_line(adapter: AdapterProcess) -> dict[str, object]:
    return dict(json.loads(adapter.log().splitlines()[-1]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_orderly_stop_has_status_0(stage: AdapterStage, number: signal.Signals) -> None:
    adapter = stage.start(payments_provider="fake")
    adapter.wait_ready()
    assert stop_in_time(adapter, number) == 0
    assert last_line(adapter)["event"] == "adapter ends"


def test_a_stop_with_a_frozen_broker_ends_in_time_and_names_what_it_waits_for(
    stage: AdapterStage, broker: DevBroker
) -> None:
    adapter = stage.start(payments_provider="fake")
    adapter.wait_ready()
    with broker.frozen():
        assert stop_in_time(adapter) == Exit.PASSING
    assert last_line(adapter)["reason"] == "the stop did not finish"
    assert last_line(adapter)["waits_for"]


def test_a_stop_with_a_dead_broker_ends_in_time(stage: AdapterStage, broker: DevBroker) -> None:
    adapter = stage.start(payments_provider="fake")
    adapter.wait_ready()
    broker.kill()
    try:
        assert stop_in_time(adapter) in {0, Exit.PASSING}, adapter.log()[-2_000:]
    finally:
        broker.start()


def test_the_topics_of_a_test_wait_for_a_broker_that_is_not_back_yet(
    stage: AdapterStage, broker: DevBroker, tmp_path: Path
) -> None:
    """Other tests of this module kill and freeze the broker; afterwards it can be unknown to clients for a moment."""
    broker.kill()
    with ThreadPoolExecutor(1) as executor:
        back = executor.submit(broker.start)
        later = AdapterStage(broker.bootstrap, f"{stage.settings.app_id}-later", tmp_path)
        back.result()
    with closing(later):
        later.start(payments_provider="fake").wait_ready()


def test_a_stop_while_it_waits_for_its_broker_ends_at_once(stage: AdapterStage) -> None:
    adapter = stage.start(payments_provider="fake", bootstrap_servers="127.0.0.1:1")
    wait_until(lambda: "Unable connect" in adapter.log(), "an adapter that waits for its broker")
    assert stop_in_time(adapter) == 0


def test_a_broker_that_is_gone_while_payments_are_open_is_a_passing_problem(
    stage: AdapterStage, broker: DevBroker
) -> None:
    """The adapter gives its commit up nine seconds after the provider's response."""
    adapter = stage.start(payments_provider="fake")
    adapter.wait_ready()
    stage.send([request(f"a-{n}/buy/1", f"a-{n}") for n in range(200)])
    wait_until(lambda: adapter.sample("tollgate_payments_open") > 50, "payments that are open")
    broker.kill()
    try:
        status = adapter.process.wait(60)
    finally:
        broker.start()
    assert status == Exit.PASSING, adapter.log()[-2_000:]


def test_a_session_time_out_that_the_broker_refuses_needs_a_person(stage: AdapterStage) -> None:
    status, last = stage.start(payments_provider="fake", session_timeout_ms=1_000).wait_ended()
    assert status == Exit.PERSON
    assert last["error"].startswith("the broker refuses TOLLGATE_SESSION_TIMEOUT_MS: ")


def test_a_port_in_use_is_named(stage: AdapterStage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        health = stage.start(payments_provider="fake", payments_health_port=port)
        webhooks = stage.start(
            payments_provider="stripe",
            payments_stripe_api_key="sk_test_1",
            payments_stripe_webhook_secrets="whsec_1",
            payments_webhook_port=port,
        )
        for adapter in (health, webhooks):
            status, last = adapter.wait_ended()
            assert status == Exit.PERSON
            assert last["reason"] == f"port {port} of 127.0.0.1 is in use: stop what listens there, or set another port"


def test_unsigned_answers_are_warned_of_once(stage: AdapterStage) -> None:
    unsigned = stage.start(payments_provider="fake", signing_keys="")
    unsigned.wait_ready()
    assert len(unsigned.events("money inputs are not signed")) == 1
    signed = stage.start(payments_provider="fake")
    wait_until(lambda: bool(signed.events("adapter starts")), "a second adapter")
    assert signed.events("money inputs are not signed") == []
