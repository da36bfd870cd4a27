"""A gateway as a process: how it starts, what it serves beside its calls, and how it ends."""

import pytest

from tests.gateway.stage import GatewayProcess, GatewayStage


@pytest.fixture(scope="module")
def gateway(stage: GatewayStage) -> GatewayProcess:
    return stage.gateway()


def test_health_is_on_its_own_port(gateway: GatewayProcess) -> None:
    assert (gateway.health("/readyz").status, gateway.health("/livez").status) == (200, 200)
    assert "tollgate_gateway_requests_total" in gateway.metrics()


def test_a_path_without_a_key_is_unauthorized_and_with_one_not_found(
    stage: GatewayStage, gateway: GatewayProcess
) -> None:
    refused = stage.get("/v1/nothing", key=None)
    assert (refused.status, refused.code, refused.headers["www-authenticate"]) == (401, "unauthorized", "Bearer")
    missing = stage.get("/v1/nothing")
    assert (missing.status, missing.code) == (404, "not_found")


def test_sigterm_ends_it_with_status_0(stage: GatewayStage) -> None:
    stage.gateway().stop()


def test_without_a_file_of_keys_it_refuses_to_start(stage: GatewayStage) -> None:
    status, line = stage.starting_gateway(api_keys=None).wait_ended()
    assert status == 78
    assert "TOLLGATE_API_KEYS" in line["reason"]
