"""The gateway's settings: what is refused at start, by name, and what is printed without secrets."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from agents.views.settings import Settings as ViewsSettings
from gateway.settings import MEANING, SHARED, Settings
from payments.settings import ProviderSettings
from payments.settings import Settings as PaymentsSettings
from stream import settings as engine
from stream.settings import settings_table, validation_line

ALL_OF_THE_CONTRACT = (
    *("GATEWAY_HOST", "GATEWAY_PORT", "GATEWAY_HEALTH_HOST", "GATEWAY_HEALTH_PORT", "GATEWAY_CORS_ORIGINS"),
    *("GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY", "TRUSTED_PROXIES", "API_KEYS", "COMMAND_TIMEOUT_MS"),
    *("GATE_TIMEOUT_MS", "GATE_POLICY", "GATE_BLIND_MAX", "GATE_BLIND_ACCOUNT_MAX", "PORTAL_URL"),
    *("PORTAL_RETURN_HOSTS", "ISSUER", "REDIS_URL", "REDIS_CA", "BOOTSTRAP_SERVERS", "APP_ID", "TOPIC_PREFIX"),
    *("PARTITIONS", "PLANS", "CURRENCIES", "CLOCK", "SIGNING_KEYS", "LOG_LEVEL"),
)


def test_every_setting_has_a_meaning_and_is_printed() -> None:
    own = set(Settings.model_fields) - set(engine.Settings.model_fields)
    assert set(MEANING) == own
    printed = [name.removeprefix("TOLLGATE_") for name, _, _ in settings_table(Settings(), MEANING, SHARED)]
    assert set(ALL_OF_THE_CONTRACT) <= set(printed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATE_TIMEOUT_MS", "49"),
        ("GATE_TIMEOUT_MS", "10001"),
        ("GATE_POLICY", "ajar"),
        ("GATE_BLIND_MAX", "-1"),
        ("CLOCK", "sundial"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, everyone"),
        ("GATEWAY_CORS_ORIGINS", "app.example.com"),
        ("GATEWAY_CORS_ORIGINS", "https://app.example.com/"),
        ("PORTAL_URL", "http://billing.example.com"),
        ("PORTAL_URL", "billing.example.com"),
        ("PORTAL_URL", "https://user:secret@billing.example.com"),
        ("REDIS_URL", "localhost"),
        ("PAYMENTS_PROVIDER", "paypal"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TOLLGATE_{name}", value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert f"TOLLGATE_{name}" in validation_line(refused.value)


@pytest.mark.parametrize("name", ["GATEWAY_PROT", "GATE_POLICI", "API_KEYS_FILE", "COMMAND_TIMEOUT", "SOMETHING"])
def test_an_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"TOLLGATE_{name}", "1")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert f"TOLLGATE_{name}" in validation_line(refused.value)


def test_variables_of_other_processes_and_of_kubernetes_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIEWS_KEEP_DAYS", "NOTIFY", "NOTIFY_RETRIES_S", "NOTIFIER_HEALTH_PORT", "PAYMENTS_IN_FLIGHT_MAX"):
        monkeypatch.setenv(f"TOLLGATE_{name}", "not looked at")
    monkeypatch.setenv("TOLLGATE_GATEWAY_SERVICE_HOST", "10.1.2.3")
    monkeypatch.setenv("TOLLGATE_GATEWAY_PORT_8020_TCP", "tcp://10.1.2.3:8020")
    for name in ("PORT", "GATEWAY_PORT", "GATEWAY_HEALTH_PORT"):
        monkeypatch.setenv(f"TOLLGATE_{name}", "tcp://10.1.2.3:8020")
    assert (Settings().gateway_port, Settings().gateway_health_port) == (8_020, 8_021)


def test_a_key_without_its_certificate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be served without TLS."""
    monkeypatch.setenv("TOLLGATE_GATEWAY_TLS_KEY", "/etc/tls/key.pem")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "TOLLGATE_GATEWAY_TLS_CERT is missing" in validation_line(refused.value)


@pytest.mark.parametrize(
    "other", [engine.Settings, ViewsSettings, PaymentsSettings], ids=["worker", "views", "payments"]
)
def test_the_other_processes_ignore_those_of_the_gateway(
    monkeypatch: pytest.MonkeyPatch, other: type[engine.Settings]
) -> None:
    # The views use Redis too, and the adapter the same provider.
    for name in set(MEANING) - {"redis_url", "redis_ca"} - set(ProviderSettings.model_fields):
        monkeypatch.setenv(f"TOLLGATE_{name.upper()}", "not looked at")
    assert other().partitions == 8


@pytest.mark.parametrize(("clock", "simulation"), [("wall", False), ("none", False), ("simulation", True)])
def test_a_simulation_ignores_broker_timestamps(clock: str, *, simulation: bool) -> None:
    assert Settings.model_validate({"clock": clock}).simulation is simulation


def test_the_command_prints_them_without_secrets() -> None:
    env = {"TOLLGATE_REDIS_URL": "redis://user:nobody@127.0.0.1:1/0", "TOLLGATE_SIGNING_KEYS": "nobody"}
    env["TOLLGATE_PAYMENTS_STRIPE_API_KEY"] = "sk_live_nobody"
    command = [sys.executable, "-m", "tollgate", "gateway", "settings"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "TOLLGATE_GATE_POLICY" in ended.stdout
    assert "nobody" not in ended.stdout
