from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lane.stage import own_name
from tests.notifier.receiver import Receiver
from tests.notifier.stage import NotifierStage


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Receiver]:
    """A second receiver."""
    with Receiver() as running:
        yield running


@pytest.fixture
def stage(kafka: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifierStage]:
    made = NotifierStage(kafka, own_name(request.node), tmp_path)
    yield made
    made.close()
