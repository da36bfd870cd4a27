"""What the README's tables say is what the code does."""

import re
from pathlib import Path

from pydantic import SecretStr

from schemas.codec import TYPES
from schemas.facts import Alert, Charge, Fact, fact_type
from stream import topics
from stream.metrics import METRICS
from stream.settings import MEANING, Settings

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """The code words of the first cell of each row of the section's table."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def kinds_of_fact() -> set[str]:
    def below(kind: type[Fact]) -> set[type[Fact]]:
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    return {fact_type(kind) for kind in below(Fact) - {Fact, Charge, Alert}}


def test_settings_table_is_the_settings() -> None:
    expected = []
    for name, info in Settings.model_fields.items():
        default = info.default.get_secret_value() if isinstance(info.default, SecretStr) else info.default
        shown = "" if default in {None, ""} else f"`{default}`"
        expected.append(f"| `TOLLGATE_{name.upper()}` | {shown} | {MEANING[name]} |")
    assert [line for line in section("Settings").splitlines() if line.startswith("| `")] == expected


def test_metrics_table_is_the_metrics() -> None:
    expected = [
        f"| `{m.name}` | {m.type} | {', '.join(f'`{label}`' for label in m.labels)} | {m.meaning} |" for m in METRICS
    ]
    assert [line for line in section("Metrics").splitlines() if line.startswith("| `")] == expected


def test_topics_table_names_every_topic_and_how_long_it_keeps() -> None:
    kept = {
        row.split("|")[1].strip(" `"): row.split("|")[4].strip()
        for row in section("Topics").splitlines()
        if "| `" in row
    }
    assert kept == {topic.name: _kept(topic) for topic in topics.CONTRACT}


def _kept(topic: topics.Topic) -> str:
    if topic.compacted:
        return "compacted"
    return "for ever" if topic.retention_ms == topics.KEPT_FOR_EVER else f"{topic.retention_ms // topics.DAY_MS} days"


def test_inputs_table_names_every_input() -> None:
    assert sorted(first_cells(section("Inputs"))) == sorted(TYPES)


def test_facts_table_names_every_fact() -> None:
    assert sorted(first_cells(section("Facts"))) == sorted(kinds_of_fact())


def test_every_alert_has_its_runbook() -> None:
    alerts = Path(__file__).parents[1].joinpath("deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    anchors = set(re.findall(r"README\.md#([a-z0-9-]+)", alerts))
    assert anchors
    assert anchors <= headings
