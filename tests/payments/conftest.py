import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.dev_broker import DevBroker
from tests.payments.adapter_stage import AdapterStage
from tests.payments.stripe_server import StripeServer


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


@pytest.fixture(scope="session")
def payments_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def stage(payments_broker: DevBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdapterStage]:
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:60]
    made = AdapterStage(payments_broker.bootstrap, words, tmp_path)
    yield made
    made.close()
