from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from tests.lane.stage import Stage, own_name


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    """A broker of the module's own, for tests that restart, freeze or kill it; the others use the shared one."""
    with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A stage on the module's own broker when the test also uses `broker`, otherwise on the shared one."""
    own = "broker" in request.fixturenames
    bootstrap = request.getfixturevalue("broker").bootstrap if own else request.getfixturevalue("kafka")
    made = Stage(bootstrap, own_name(request.node), tmp_path)
    yield made
    made.close()
