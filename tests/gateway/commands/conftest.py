import pytest

from tests.gateway.stage import GatewayStage

SIGNING_KEYS = "first-key,second-key"


@pytest.fixture(scope="module")
def running(stage: GatewayStage) -> GatewayStage:
    """A worker, the views and two gateways."""
    stage.worker(signing_keys=SIGNING_KEYS)
    stage.views()
    stage.gateway(signing_keys=SIGNING_KEYS)
    stage.gateway(signing_keys=SIGNING_KEYS)
    return stage
