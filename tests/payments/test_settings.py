"""The adapter's settings, printed without secrets, and its commands."""

import subprocess
import sys

import pytest

from payments.adapter.metrics import METRICS, Metrics
from payments.settings import MEANING, SHARED, Settings
from stream import settings as engine
from stream.settings import settings_table

SECRETS = {
    "TOLLGATE_SIGNING_KEYS": "a key nobody may see",
    "TOLLGATE_PAYMENTS_STRIPE_API_KEY": "sk_live_nobody_may_see",
    "TOLLGATE_PAYMENTS_STRIPE_WEBHOOK_SECRETS": "whsec_nobody_may_see, whsec_either",
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_every_setting_of_the_adapter_has_a_meaning() -> None:
    own = set(Settings.model_fields) - set(engine.Settings.model_fields)
    assert list(MEANING) == [name for name in Settings.model_fields if name in own]
    assert set(SHARED) <= set(engine.Settings.model_fields)


def test_secrets_are_read_and_never_shown(settings: Settings) -> None:
    assert settings.webhook_secrets() == ("whsec_nobody_may_see", "whsec_either")
    shown = {name: value for name, value, _ in settings_table(settings, MEANING, SHARED)}
    assert {shown[name] for name in SECRETS} == {"***"}
    assert "nobody" not in repr(settings)


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["settings"]])
def test_the_commands_describe_themselves(settings: Settings, command: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-m", "payments", *command], capture_output=True, text=True, check=True)
    assert "TOLLGATE_PAYMENTS_PROVIDER" in ended.stdout or "settings" in ended.stdout
    assert "nobody" not in ended.stdout


def test_every_metric_is_there_before_anything_happens() -> None:
    metrics = Metrics(lambda: 3, lambda: 1.5)
    names = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    for row in METRICS:
        assert {row.name, f"{row.name}_count"} & names, row.name
    assert metrics.registry.get_sample_value("tollgate_payments_open") == 3
