"""What the README's tables say is what the code does."""

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from payments import settings as payment_settings
from payments.adapter import metrics as payment_metrics
from schemas.codec import TYPES
from schemas.facts import fact_type
from schemas.wire.generate import fact_types
from stream import topics
from stream.ops.metric_table import METRICS, Meaning
from stream.settings import MEANING, Settings

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """The code words of the first cell of each row of the section's table."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def rows(text: str, names: str) -> list[str]:
    """The rows of the section whose first cell is a name that begins so."""
    return [line for line in text.splitlines() if line.startswith(f"| `{names}")]


def setting_rows(settings: type[BaseSettings], meaning: dict[str, str]) -> list[str]:
    expected = []
    for name, told in meaning.items():
        default = settings.model_fields[name].default
        default = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = "" if default in {None, ""} else f"`{default}`"
        expected.append(f"| `TOLLGATE_{name.upper()}` | {shown} | {told} |")
    return expected


def metric_rows(metrics: Iterable[Meaning]) -> list[str]:
    return [
        f"| `{m.name}` | {m.type} | {', '.join(f'`{label}`' for label in m.labels)} | {m.meaning} |" for m in metrics
    ]


def test_settings_tables_are_the_settings() -> None:
    assert list(MEANING) == list(Settings.model_fields)
    assert rows(section("Settings"), "") == setting_rows(Settings, MEANING)
    expected = setting_rows(payment_settings.Settings, payment_settings.MEANING)
    assert rows(section("Payments"), "TOLLGATE_") == expected


def test_metrics_tables_are_the_metrics() -> None:
    assert rows(section("Metrics"), "") == metric_rows(METRICS)
    assert rows(section("Payments"), "tollgate_") == metric_rows(payment_metrics.METRICS)


def test_topics_table_names_every_topic_and_how_long_it_keeps() -> None:
    written = {
        row.split("|")[1].strip(" `"): row.split("|")[4].strip()
        for row in section("Topics").splitlines()
        if "| `" in row
    }
    assert written == {topic.name: kept(topic) for topic in topics.CONTRACT}


def kept(topic: topics.Topic) -> str:
    if topic.compacted:
        return "compacted"
    return "for ever" if topic.retention_ms == topics.KEPT_FOR_EVER else f"{topic.retention_ms // topics.DAY_MS} days"


def test_inputs_table_names_every_input() -> None:
    assert sorted(first_cells(section("Inputs"))) == sorted(TYPES)


def test_facts_table_names_every_fact() -> None:
    assert sorted(first_cells(section("Facts"))) == sorted(fact_type(kind) for kind in fact_types().values())


def test_the_readme_leads_to_the_runbook() -> None:
    assert "(docs/operations/runbook.md)" in section("Runbook")
