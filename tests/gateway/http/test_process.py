"""A gateway as a process: how it starts, what it serves beside its calls, and how it ends."""

import http.client
import json
import signal
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme

from devkit.server import free_port
from tests.gateway.http.served import PROGRAM
from tests.gateway.stage import GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until


@pytest.fixture(scope="module")
def gateway(stage: GatewayStage) -> GatewayProcess:
    """A proxy on loopback is trusted, which is where the tests call from."""
    return stage.gateway(program=PROGRAM, trusted_proxies="127.0.0.1, 10.0.0.0/8")


def test_health_is_on_its_own_port(stage: GatewayStage, gateway: GatewayProcess) -> None:
    answers = {path: gateway.health(path).status for path in ("/readyz", "/livez", "/metrics", "/v1/shown")}
    assert answers == {"/readyz": 200, "/livez": 200, "/metrics": 200, "/v1/shown": 404}
    assert stage.get("/metrics").status == 404


def test_metrics_name_templates_and_no_account(stage: GatewayStage, gateway: GatewayProcess) -> None:
    account = "an-account-of-this-test"
    for path in (f"/v1/accounts/{account}/thing", f"/v1/shown/{account}", f"/v1/nothing/{account}"):
        stage.get(path)
    metrics = gateway.metrics()
    assert (
        'tollgate_gateway_requests_total{method="GET",route="/v1/accounts/{account_id}/thing",status="2xx"} 1.0'
        in metrics
    )
    assert 'tollgate_gateway_requests_total{method="GET",route="none",status="4xx"}' in metrics
    assert 'tollgate_gateway_request_seconds_count{route="/v1/shown/{name}"} 1.0' in metrics
    assert account not in metrics
    assert account not in gateway.log()


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [("203.0.113.7", "203.0.113.7"), ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7")],
)
def test_a_trusted_proxy_names_the_caller(
    stage: GatewayStage, gateway: GatewayProcess, forwarded: str, client: str
) -> None:
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    shown = stage.get("/v1/shown", headers=headers).json()
    assert (shown["client"], shown["scheme"]) == (client, "https")


def test_no_other_address_is_believed_about_the_caller(stage: GatewayStage) -> None:
    other = stage.gateway(program=PROGRAM, trusted_proxies="10.0.0.0/8")
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    shown = stage.get("/v1/shown", headers=headers, gateway=other).json()
    assert (shown["client"], shown["scheme"]) == ("127.0.0.1", "http")


def test_sigterm_finishes_what_is_under_way_and_takes_nothing_new(stage: GatewayStage) -> None:
    gateway = stage.gateway(program=PROGRAM)
    port, answers = gateway.port, list[Reply]()
    slow = threading.Thread(target=lambda: answers.append(stage.get("/v1/slow", gateway=gateway)))
    slow.start()
    wait_until(lambda: bool(gateway.events("slow call begins")), "the slow call is under way")
    gateway.process.send_signal(signal.SIGTERM)
    slow.join(20)
    assert [(answer.status, answer.json()) for answer in answers] == [(200, {"finished": True})]
    assert gateway.process.wait(60) == 0
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
    assert json.loads(gateway.log().splitlines()[-1])["event"] == "gateway ends"


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("api_keys", None, "TOLLGATE_API_KEYS"),
        ("api_keys", "/nowhere/keys.toml", "TOLLGATE_API_KEYS"),
        ("gate_timeout_ms", "1", "TOLLGATE_GATE_TIMEOUT_MS"),
        ("gatway_port", "1", "TOLLGATE_GATWAY_PORT"),
        ("plans", "/nowhere/plans.toml", "TOLLGATE_PLANS"),
        ("issuer", "/nowhere/issuer.toml", "TOLLGATE_ISSUER"),
        ("gateway_tls_cert", "/nowhere/cert.pem", "TOLLGATE_GATEWAY_TLS_CERT"),
        ("redis_ca", "/nowhere/ca.pem", "TOLLGATE_REDIS_CA"),
        ("partitions", "7", "partitions"),
    ],
)
def test_what_a_person_must_change_ends_it_with_78(
    stage: GatewayStage, gateway: GatewayProcess, setting: str, value: str | None, named: str
) -> None:
    changed: dict[str, Any] = {setting: value}
    status, line = stage.starting_gateway(**changed).wait_ended()
    assert status == 78
    assert named in line["reason"]


def test_a_port_in_use_ends_it_with_78_and_its_number(stage: GatewayStage, gateway: GatewayProcess) -> None:
    for setting in ("gateway_port", "gateway_health_port"):
        changed: dict[str, Any] = {setting: gateway.port}
        status, line = stage.starting_gateway(**changed).wait_ended()
        assert (status, str(gateway.port) in line["reason"]) == (78, True)


def test_without_a_broker_it_ends_with_75(stage: GatewayStage) -> None:
    """Takes the 30 s that every process waits for a broker."""
    gateway = stage.starting_gateway(bootstrap_servers=f"127.0.0.1:{free_port()}")
    status, line = gateway.wait_ended(60)
    assert status == 75
    assert "no answer" in line["reason"]


def test_it_serves_without_redis_worker_and_views(stage: GatewayStage) -> None:
    assert stage.gateway(redis_url=f"redis://127.0.0.1:{free_port()}/0").health("/readyz").status == 200


def test_a_certificate_makes_it_https(stage: GatewayStage, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(str(key))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(cert), append=True)
    gateway = stage.gateway(program=PROGRAM, gateway_tls_cert=cert, gateway_tls_key=key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=20, context=context)
    connection.request("GET", "/v1/shown", headers={"Authorization": f"Bearer {stage.key}"})
    assert json.loads(connection.getresponse().read())["scheme"] == "https"
    connection.close()
