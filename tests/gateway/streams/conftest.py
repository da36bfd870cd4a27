from collections.abc import Iterator
from contextlib import closing

import pytest

from devkit.redis import DevRedis
from tests.gateway.stage import GatewayStage, named_for_process
from tests.gateway.streams.published import Published


@pytest.fixture(scope="package")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    """A Redis for these tests alone: they stop it."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="package")
def stage(kafka: str, own_redis: DevRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayStage]:
    """A worker, the views and a gateway."""
    name = named_for_process("gw-streams")
    with closing(GatewayStage(kafka, own_redis.url, name, tmp_path_factory.mktemp(name))) as made:
        made.worker()
        made.views()
        made.gateway()
        yield made


@pytest.fixture(scope="package")
def published(stage: GatewayStage) -> Iterator[Published]:
    """Writes events to the topics of the engine, beside the worker."""
    made = Published(stage)
    yield made
    made.close()
