import pytest

from stream import topics
from stream.settings import Settings
from tests.gateway.log.stage import PARTITIONS
from tests.lane.stage import own_name


@pytest.fixture
async def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    name = own_name(request.node)
    made = Settings(bootstrap_servers=kafka, app_id=name, topic_prefix=f"{name}.", partitions=PARTITIONS)
    await topics.ensure(made)
    return made
