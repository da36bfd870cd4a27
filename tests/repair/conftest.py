import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from tests.repair.stage import RepairStage


@pytest.fixture(scope="session")
def repair_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def stage(repair_broker: DevBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RepairStage]:
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:60]
    made = RepairStage(repair_broker.bootstrap, words, tmp_path)
    yield made
    made.close()
