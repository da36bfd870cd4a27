"""The tables of the reference name every setting, metric, topic, input and event, checked without the code that renders
them; and the page on the end of a process names every status.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from agents.notifier import settings as notifier_settings
from agents.notifier.metrics import METRICS as NOTIFIER_METRICS
from agents.views import settings as view_settings
from agents.views.metrics import METRICS as VIEW_METRICS
from gateway import settings as gateway_settings
from gateway.commands.metrics import METRICS as COMMAND_METRICS
from gateway.gate.metrics import METRICS as GATE_METRICS
from gateway.metrics import METRICS as HTTP_METRICS
from gateway.streams.metrics import METRICS as STREAM_METRICS
from payments import settings as payment_settings
from payments.adapter import metrics as payment_metrics
from schemas.codec import TYPES
from schemas.wire.generate import fact_types
from stream import topics
from stream.fail_stop import Exit
from stream.ops.instruments import Meaning
from stream.ops.metric_table import METRICS
from stream.settings import MEANING, Settings

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    return page(name).split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of each row that begins with a code word, where it is a table's."""
    return [
        [cell.strip() for cell in line.strip("|").split(" |")] for line in text.splitlines() if line.startswith("| `")
    ]


def setting_rows(settings: type[BaseSettings], meaning: dict[str, str]) -> list[tuple[str, str, str]]:
    expected = []
    for name, told in meaning.items():
        default = settings.model_fields[name].default
        default = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = "" if default in {None, ""} else f"`{default}`"
        expected.append((f"`TOLLGATE_{name.upper()}`", shown, told))
    return expected


def written_settings(process: str) -> list[tuple[str, str, str]]:
    return [(name, default, told) for name, default, _, told in rows(section("reference/settings.md", process))]


def test_settings_tables_are_the_settings() -> None:
    assert list(MEANING) == list(Settings.model_fields)
    assert written_settings("Worker") == setting_rows(Settings, MEANING)
    expected = setting_rows(payment_settings.Settings, payment_settings.MEANING)
    assert written_settings("Payment adapter") == expected
    assert written_settings("Views") == setting_rows(view_settings.Settings, view_settings.MEANING)
    assert written_settings("Notifier") == setting_rows(notifier_settings.Settings, notifier_settings.MEANING)
    assert written_settings("Gateway") == setting_rows(gateway_settings.Settings, gateway_settings.MEANING)


def metric_rows(metrics: Iterable[Meaning]) -> list[list[str]]:
    by_name = sorted(metrics, key=lambda metric: metric.name)
    return [[f"`{m.name}`", m.type, ", ".join(f"`{label}`" for label in m.labels), m.meaning] for m in by_name]


def test_metrics_tables_are_the_metrics() -> None:
    assert rows(section("reference/metrics.md", "Worker")) == metric_rows(METRICS)
    assert rows(section("reference/metrics.md", "Payment adapter")) == metric_rows(payment_metrics.METRICS)
    assert rows(section("reference/metrics.md", "Views")) == metric_rows(VIEW_METRICS)
    assert rows(section("reference/metrics.md", "Notifier")) == metric_rows(NOTIFIER_METRICS)
    assert rows(section("reference/metrics.md", "Gateway")) == metric_rows(
        (*HTTP_METRICS, *COMMAND_METRICS, *GATE_METRICS, *STREAM_METRICS)
    )


def test_topics_table_names_every_topic_and_how_long_it_keeps() -> None:
    table = section("reference/topics.md", "Contract").split("\n### ", 1)[0]
    lines = [line.split("|") for line in table.splitlines() if line.startswith("| [`")]
    written = {re.findall(r"`([^`]+)`", cells[1])[0]: cells[3].strip() for cells in lines}
    assert len(lines) == len(written)
    assert written == {topic.name: kept(topic, "the newest of each account") for topic in topics.CONTRACT}


def kept(topic: topics.Topic, compacted: str = "compacted") -> str:
    if topic.compacted:
        return compacted
    return "for ever" if topic.retention_ms == topics.KEPT_FOR_EVER else f"{topic.retention_ms // topics.DAY_MS} days"


def headings(name: str) -> list[str]:
    return re.findall(r"^## (\S+)$", page(name), re.MULTILINE)


def test_the_page_of_inputs_has_every_input() -> None:
    assert sorted(headings("reference/inputs.md")) == sorted(TYPES)


def test_the_page_of_events_has_every_event() -> None:
    assert sorted(headings("reference/events.md")) == sorted(fact_types())


def test_every_status_of_a_process_is_explained() -> None:
    assert [row[0] for row in rows(page("operations/processes.md"))] == ["`0`", *(f"`{status:d}`" for status in Exit)]
