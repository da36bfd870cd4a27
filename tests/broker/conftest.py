import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.dev_broker import DevBroker
from tests.broker.stage import Stage


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def stage(broker: DevBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    # The end tells the cases of one test apart.
    made = Stage(broker.bootstrap, words if len(words) < 60 else f"{words[:40]}{words[-20:]}", tmp_path)
    yield made
    made.close()
