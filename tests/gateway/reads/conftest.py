from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.redis import DevRedis
from tests.gateway.reads.filled import Filled
from tests.gateway.stage import GatewayStage
from tests.lane.stage import own_name


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    """A Redis for the tests of a module alone: what the views say of themselves is the same for all accounts."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


# The accounts of keys that may read; `calls` may not.
READERS: dict[str, list[str]] = {
    "prefix": ["dir-b*"],
    "two": ["dir-a1", "dir-b2", "dir-c*", "dir-c1*", "dir-c2", "dir-z"],
    "none": [],
}
ISSUER = 'name = "Example Telephony Ltd"\naddress = ["1 High Street", "London"]\n'


@pytest.fixture(scope="module")
def stage(
    kafka: str, own_redis: DevRedis, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayStage]:
    """A gateway on that Redis, without views."""
    name = f"reads-{Path(request.path).stem}"
    made = GatewayStage(kafka, own_redis.url, name.replace("_", "-"), tmp_path_factory.mktemp("stage"))
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def keys(stage: GatewayStage) -> dict[str, str]:
    """Keys by their ids. The gateway starts with them."""
    stage.key = stage.keys.add("fast", "admin", requests_per_s=100_000)
    made = {name: stage.keys.add(name, "accounts:read", accounts=only) for name, only in READERS.items()}
    made["calls"] = stage.keys.add("calls", "calls")
    issuer = stage.directory / "issuer.toml"
    issuer.write_text(ISSUER)
    stage.gateway(issuer=issuer)
    return made


@pytest.fixture(scope="module")
def filled(stage: GatewayStage) -> Filled:
    return Filled(stage.redis_url)


@pytest.fixture
def account(filled: Filled, request: pytest.FixtureRequest) -> str:
    """An account of the test's own, without a snapshot yet. The views are caught up."""
    filled.catch_up()
    return own_name(request.node)
