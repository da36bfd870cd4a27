"""docker-compose.yml names only what exists, checked without a container engine."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.notifier.file import read_file
from agents.notifier.settings import Settings as NotifierSettings
from agents.notifier.tables import NotifyFile
from agents.views.settings import Settings as ViewsSettings
from gateway.http.key_file import read_keys
from gateway.settings import Settings as GatewaySettings
from payments.settings import Settings as PaymentSettings
from stream.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OUR_IMAGE = "tollgate:local"  # Built from this checkout; only pyproject.toml has the version.
LONG_RUNNING = {
    *("worker", "payments", "views", "gateway", "notifier", "provider"),
    *("kafka", "redis", "prometheus", "grafana"),
}
SETTINGS: dict[str, type[Settings]] = {
    "payments": PaymentSettings,
    "views": ViewsSettings,
    "gateway": GatewaySettings,
    "notifier": NotifierSettings,
}

each_service = pytest.mark.parametrize("name", SERVICES)


def mounts() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            yield name, mount.split(":")[0]


def test_the_file_has_a_name_and_no_version() -> None:
    assert COMPOSE["name"] == "tollgate"
    assert "version" not in COMPOSE
    assert set(SERVICES) == LONG_RUNNING | {"topics", "traffic"}


@each_service
def test_each_tollgate_variable_is_a_setting_with_a_valid_value(name: str) -> None:
    ours = {key: value for key, value in SERVICES[name].get("environment", {}).items() if key.startswith("TOLLGATE_")}
    fields = {key.removeprefix("TOLLGATE_").lower(): value for key, value in ours.items()}
    settings = SETTINGS.get(name, Settings)
    assert set(fields) <= set(settings.model_fields)
    literal = {key: value for key, value in fields.items() if "$" not in value}
    assert settings.model_validate(literal)


@each_service
def test_each_process_of_ours_has_a_signing_key_and_the_same_one(name: str) -> None:
    if SERVICES[name]["image"] == OUR_IMAGE:
        key = SERVICES[name]["environment"]["TOLLGATE_SIGNING_KEYS"]
        assert key == COMPOSE["x-app"]["environment"]["TOLLGATE_SIGNING_KEYS"]
        assert re.fullmatch(r"\$\{TOLLGATE_SIGNING_KEYS:-[\w-]{16,}\}", key)


@each_service
def test_images_are_pinned_to_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    if "build" in SERVICES[name]:
        assert image == OUR_IMAGE
        assert (ROOT / SERVICES[name]["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", image), image


@each_service
def test_dependencies_exist_and_can_reach_the_awaited_condition(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no", "a service that restarts never completes"
        hidden = set(SERVICES[other].get("profiles", ()))
        assert hidden <= set(SERVICES[name].get("profiles", ())), "a dependency behind a profile the service is not in"


def test_mounted_files_and_named_volumes_exist_and_each_volume_is_used() -> None:
    named = {source for _, source in mounts() if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    assert [source for _, source in mounts() if source.startswith(".") and not (ROOT / source).exists()] == []


@each_service
def test_networks_are_the_default_or_declared(name: str) -> None:
    assert set(SERVICES[name].get("networks", ())) <= set(COMPOSE.get("networks", ()))


@each_service
def test_ports_are_published_on_the_loopback_interface_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port


@each_service
def test_processes_have_an_init_and_are_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    assert "no-new-privileges:true" in service["security_opt"]
    if name != "kafka":  # The file gives the reason for the exception.
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert int(service["user"].split(":")[0]) > 0


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_long_running_services_are_restarted_when_they_end(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_worker_is_healthy_when_ready_and_has_time_to_commit() -> None:
    worker = SERVICES["worker"]
    port = worker["environment"]["TOLLGATE_HEALTH_PORT"]
    assert f"http://127.0.0.1:{port}/readyz" in worker["healthcheck"]["test"][-1]
    compile(worker["healthcheck"]["test"][-1], "healthcheck", "exec")
    seconds = int(worker["stop_grace_period"].removesuffix("s"))
    assert seconds * 1000 > Settings.model_validate({}).transaction_timeout_ms, "a batch may take that long to end"


def test_the_demo_and_the_payments_are_behind_their_profiles() -> None:
    profiles = {name: tuple(service["profiles"]) for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"traffic": ("demo",), "provider": ("demo",), "payments": ("payments",)}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_process_is_healthy_when_ready(name: str) -> None:
    service = SERVICES[name]
    port = service["environment"][f"TOLLGATE_{name.upper()}_HEALTH_PORT"]
    assert int(port) == getattr(SETTINGS[name].model_validate({}), f"{name}_health_port")
    assert f"http://127.0.0.1:{port}/readyz" in service["healthcheck"]["test"][-1]
    compile(service["healthcheck"]["test"][-1], "healthcheck", "exec")


def test_the_webhook_endpoint_and_the_gateway_are_reached_from_the_host() -> None:
    webhook, gateway = PaymentSettings.model_validate({}).payments_webhook_port, GatewaySettings.model_validate({})
    assert SERVICES["payments"]["ports"] == [f"127.0.0.1:{webhook}:{webhook}"]
    assert SERVICES["gateway"]["ports"] == [f"127.0.0.1:{gateway.gateway_port}:{gateway.gateway_port}"]
    assert gateway.portal_url == f"http://127.0.0.1:{gateway.gateway_port}"


def test_the_gateway_has_a_key_whose_text_stands_beside_its_hash() -> None:
    [volume] = SERVICES["gateway"]["volumes"]
    folder, inside, _ = volume.split(":")
    file = SERVICES["gateway"]["environment"]["TOLLGATE_API_KEYS"].removeprefix(f"{inside}/")
    content = (ROOT / folder / file).read_bytes()
    [text] = re.findall(rb"tg_[\w-]{43}\b", content)
    assert set(read_keys(content, ROOT / folder / file)) == {hashlib.sha256(text).hexdigest()}


def test_the_notifier_has_a_file_that_it_can_use() -> None:
    """Without a target: nobody would want the mails of a trial."""
    [volume] = SERVICES["notifier"]["volumes"]
    folder, inside, _ = volume.split(":")
    file = ROOT / folder / SERVICES["notifier"]["environment"]["TOLLGATE_NOTIFY"].removeprefix(f"{inside}/")
    assert read_file(file.read_bytes(), file) == NotifyFile()


def test_redis_evicts_nothing_and_writes_nothing() -> None:
    redis = SERVICES["redis"]
    options = list(zip(redis["command"][1::2], redis["command"][2::2], strict=True))
    assert options == [("--save", ""), ("--appendonly", "no"), ("--maxmemory-policy", "noeviction")]
    assert "/data" in redis["tmpfs"]
    for name in ("views", "gateway"):
        assert SERVICES[name]["environment"]["TOLLGATE_REDIS_URL"] == "redis://redis:6379/0"


def test_kafka_has_the_settings_of_the_development_broker() -> None:
    """Both are single nodes: with different settings the demo would differ between the two."""
    lines = (ROOT / "devkit/kafka/server.properties").read_text().splitlines()
    broker = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    shared = (
        "auto.create.topics.enable",
        "group.initial.rebalance.delay.ms",
        "default.replication.factor",
        "min.insync.replicas",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
    )
    container = SERVICES["kafka"]["environment"]
    assert {key: container["KAFKA_" + key.replace(".", "_").upper()] for key in shared} == {
        key: broker[key] for key in shared
    }
    version = SERVICES["kafka"]["image"].split(":")[1]
    assert f"<version>{version}</version>" in (ROOT / "devkit/kafka/pom.xml").read_text()


def test_every_listener_of_kafka_is_mapped_and_advertised() -> None:
    kafka = SERVICES["kafka"]["environment"]
    names = {listener.split(":")[0] for listener in kafka["KAFKA_LISTENERS"].split(",")}
    assert names == {pair.split(":")[0] for pair in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    advertised = {listener.split(":")[0] for listener in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")}
    assert advertised == names - {kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert SERVICES["worker"]["environment"]["TOLLGATE_BOOTSTRAP_SERVERS"] in kafka["KAFKA_ADVERTISED_LISTENERS"]


def test_the_image_contains_the_packages_and_runs_as_an_unprivileged_user() -> None:
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["tollgate"]' in lines
    assert f"USER {SERVICES['worker']['user']}" in lines
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {
        *project["tool"]["hatch"]["build"]["only-include"],
        *("pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]),
        *("deploy/requirements.lock", "deploy/build.lock"),
    }
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == needed
    assert [name for name in sent if not (ROOT / name).exists()] == []
    bases = {line.split()[1] for line in lines if line.startswith("FROM")}
    assert len(bases) == 1, "both stages need the same interpreter at the same path"
    assert re.search(r":\d+\.\d+\.\d+", bases.pop())
