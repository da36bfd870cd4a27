from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from devkit.redis import DevRedis
from tests.browser import chromium
from tests.gateway.portal.stage import ISSUER, Owners
from tests.gateway.reads.filled import Filled
from tests.gateway.stage import GatewayStage, named_for_process


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here may run an event loop of its own beside that of the browser."""
    here = Path(__file__).parent
    wrong = [item.nodeid for item in items if here in item.path.parents and item.get_closest_marker("asyncio")]
    assert not wrong, f"asynchronous tests belong in another folder: {wrong}"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium, one for these tests. Its library keeps an event loop running in this thread, where
    the tests of other packages start their own: it ends with the package.
    """
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="package")
def owners_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    """A Redis for `owners` alone: views of other topics would begin it anew."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="package")
def owners(
    kafka: str, owners_redis: DevRedis, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owners]:
    """Everything that runs behind the page: a worker, the views, fake payments and a gateway."""
    directory = tmp_path_factory.mktemp("gw-portal")
    with closing(GatewayStage(kafka, owners_redis.url, named_for_process("gw-portal"), directory)) as stage:
        stage.worker()
        stage.views()
        stage.start("payments", "run", payments_provider="fake", payments_fake_speed_up=100)
        yield Owners(stage, browser)


@pytest.fixture(scope="package")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    """A Redis that tests may stop, and whose views they write themselves."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="package")
def drawn(
    kafka: str, own_redis: DevRedis, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Owners]:
    """A gateway whose views the tests fill themselves, for states that would take months to come."""
    directory = tmp_path_factory.mktemp("gw-drawn")
    (directory / "issuer.toml").write_text(ISSUER)
    with closing(GatewayStage(kafka, own_redis.url, named_for_process("gw-drawn"), directory)) as stage:
        # Nothing decides here, so no command has an outcome to wait for.
        yield Owners(stage, browser, issuer=directory / "issuer.toml", command_timeout_ms=500)


@pytest.fixture(scope="package")
def filled(drawn: Owners) -> Filled:
    """The views of `drawn`."""
    return Filled(drawn.stage.redis_url)
