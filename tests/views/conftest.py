from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.redis import DevRedis
from tests.lane.stage import own_name
from tests.views.stage import ViewsStage


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[DevRedis]:
    """A Redis of the test's own, which it may kill, freeze and empty."""
    with DevRedis(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def stage(kafka: str, shared_redis: DevRedis, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ViewsStage]:
    """A stage on the shared Kafka, and on the shared Redis, emptied, unless the test has one of its own."""
    own = "own_redis" in request.fixturenames
    redis = request.getfixturevalue("own_redis") if own else shared_redis
    made = ViewsStage(kafka, redis.url, own_name(request.node), tmp_path)
    made.redis.flushall()
    yield made
    made.close()
