import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.redis import DevRedis
from tests.gateway.stage import GatewayStage


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def stage(
    kafka: str, shared_redis: DevRedis, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayStage]:
    """One stage for the tests of a module, without any process yet: a module's own fixture starts what it needs.

    The Redis is shared by all modules: tests use account ids of their own.
    """
    module = Path(request.path).stem.removeprefix("test_").replace("_", "-")
    name = f"gw-{module}-{zlib.crc32(request.node.nodeid.encode()):08x}"
    made = GatewayStage(kafka, shared_redis.url, name, tmp_path_factory.mktemp(name))
    yield made
    made.close()
