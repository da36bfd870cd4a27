from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lane.stage import own_name
from tests.payments.adapter_stage import AdapterStage
from tests.payments.stripe_server import StripeServer


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


@pytest.fixture
def stage(kafka: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AdapterStage]:
    made = AdapterStage(kafka, own_name(request.node), tmp_path)
    yield made
    made.close()
