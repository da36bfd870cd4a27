"""Dashboard and alerts use metrics that a worker exposes, and each alert links to its runbook section."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.notifier.metrics import METRICS as NOTIFIER_METRICS
from agents.notifier.metrics import OUTCOMES as NOTIFIER_OUTCOMES
from agents.notifier.metrics import READS
from agents.notifier.settings import Settings as NotifierSettings
from agents.views.metrics import METRICS as VIEWS_METRICS
from agents.views.settings import Settings as ViewsSettings
from deploy.render_runbook import render
from gateway.commands.metrics import EVENT_OUTCOMES
from gateway.commands.metrics import METRICS as COMMAND_METRICS
from gateway.commands.metrics import OUTCOMES as COMMAND_OUTCOMES
from gateway.gate.decision import ENGINE_REASONS, POLICY_REASONS
from gateway.gate.metrics import METRICS as GATE_METRICS
from gateway.metrics import METRICS as HTTP_METRICS
from gateway.settings import Settings as GatewaySettings
from gateway.streams.metrics import METRICS as STREAM_METRICS
from payments.adapter.metrics import METRICS as PAYMENT_METRICS
from payments.settings import Settings as PaymentSettings
from stream.ops.instruments import Meaning
from stream.ops.metric_table import (
    DEAD_LETTER_CODES,
    FACT_TYPES,
    GATE_REASONS,
    METRICS,
    OUTCOMES,
    PROCESS_METRICS,
)
from stream.settings import Settings
from tests.deploy.prometheus import MISSING, PROMTOOL

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/tollgate.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
EXPRESSIONS = [*QUERIES, *(alert["expr"] for alert in ALERTS)]
RUNBOOK = (ROOT / "docs/operations/runbook.md").read_text(encoding="utf-8")
PAGE = (PROMETHEUS / "consoles/runbook.html").read_text(encoding="utf-8")
UNITS = {"cps", "s", "short", "bytes", "none"}
VALUES = {
    "outcome": (*OUTCOMES, *COMMAND_OUTCOMES, *EVENT_OUTCOMES, *NOTIFIER_OUTCOMES, *READS),
    "code": DEAD_LETTER_CODES,
    "type": FACT_TYPES,
    "reason": (*GATE_REASONS, *ENGINE_REASONS, *POLICY_REASONS),
    "status": ("2xx", "3xx", "4xx", "5xx"),
}
GATEWAY_METRICS = (*HTTP_METRICS, *COMMAND_METRICS, *GATE_METRICS, *STREAM_METRICS)
PROCESS = [Meaning(name, "counter" if name.endswith("_total") else "gauge", (), "") for name in PROCESS_METRICS]
BY_NAME = {
    row.name: row for row in (*METRICS, *PAYMENT_METRICS, *VIEWS_METRICS, *GATEWAY_METRICS, *NOTIFIER_METRICS, *PROCESS)
}

# The money counters come from the table, so they do not restart with the process; the restored rows are of the last
# start.
SHOWN_WITHOUT_RATE = {
    "tollgate_charged_micros_total",
    "tollgate_given_back_micros_total",
    "tollgate_restored_rows_total",
}

each_expression = pytest.mark.parametrize("expression", EXPRESSIONS)
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason=MISSING)


def metrics_of(expression: str) -> Iterator[str]:
    """The declared names of metrics. A histogram is queried by its buckets."""
    for name in re.findall(r"\b(?:tollgate|process)_\w+", expression):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        yield family if BY_NAME.get(family, BY_NAME.get(name, METRICS[0])).type == "histogram" else name


@each_expression
def test_every_queried_metric_is_exposed(expression: str) -> None:
    names = set(metrics_of(expression))
    assert names <= set(BY_NAME)
    assert names or 'up{job="tollgate-' in expression


@each_expression
def test_labels_and_their_values_exist(expression: str) -> None:
    labels = {label for name in metrics_of(expression) for label in BY_NAME[name].labels}
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert grouped <= labels | {"instance", "job", "le"}
    for label, value in re.findall(r'(\w+)=~?"([^"]*)"', expression):
        assert label in labels | {"instance", "job"}
        assert label not in VALUES or set(value.split("|")) <= set(VALUES[label])


@each_expression
def test_counters_are_shown_as_rates_or_increases(expression: str) -> None:
    for name in metrics_of(expression):
        if BY_NAME[name].type == "counter" and name not in SHOWN_WITHOUT_RATE:
            assert re.search(rf"\b(rate|increase)\({name}\b", expression)


@each_panel
def test_a_panel_has_a_title_a_description_and_a_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert 'job=~"$job", instance=~"$instance"' in target["expr"]
        assert set(re.findall(r"\[(.*?)\]", target["expr"])) <= {"$__rate_interval"}


def test_panels_have_unique_ids_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells


def test_the_dashboard_has_a_fixed_uid_and_works_with_any_data_source() -> None:
    assert DASHBOARD["uid"] == "tollgate"
    assert DASHBOARD["schemaVersion"] >= 36
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]


def test_every_metric_is_shown_somewhere() -> None:
    declared = {row.name for row in (*METRICS, *VIEWS_METRICS, *GATEWAY_METRICS, *NOTIFIER_METRICS)}
    assert declared - {name for expression in QUERIES for name in metrics_of(expression)} == set()


@each_alert
def test_an_alert_has_a_severity_a_summary_and_a_section_in_the_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert alert["annotations"]["summary"].endswith(".")
    anchor = alert["alert"].lower()
    assert alert["annotations"]["runbook_url"] == f"{{{{ $externalURL }}}}/consoles/runbook.html#{anchor}"
    assert f'<h2 id="{anchor}">{alert["alert"]}</h2>' in PAGE


def test_the_runbook_has_no_section_for_a_removed_alert() -> None:
    headings = set(re.findall(r"^## (Tollgate\w+)$", RUNBOOK, re.MULTILINE))
    assert headings == {alert["alert"] for alert in ALERTS}


def test_the_page_is_the_current_runbook() -> None:
    """Run `make runbook` after a change of docs/operations/runbook.md."""
    assert render(RUNBOOK) == PAGE


def test_the_page_has_no_markdown_left() -> None:
    text = re.sub(r"<pre>.*?</pre>", "", PAGE, flags=re.DOTALL)
    assert re.findall(r"^\s*(?:<p>)?(?:\||#+ |```).*$", text, re.MULTILINE) == []


def test_links_within_the_runbook_have_targets() -> None:
    ids = set(re.findall(r'id="([^"]+)"', PAGE))
    assert set(re.findall(r'href="#([^"]+)"', PAGE)) - ids == set()


def test_braces_of_the_runbook_are_escaped_for_the_template() -> None:
    assert "{{" not in render("Use `{{ .Value }}` here.").replace('{{"{{"}}', "")


def test_the_runbook_names_metrics_and_settings_that_exist() -> None:
    assert set(metrics_of(RUNBOOK)) <= set(BY_NAME)
    known = (Settings, PaymentSettings, ViewsSettings, GatewaySettings, NotifierSettings)
    settings = {f"TOLLGATE_{name.upper()}" for kind in known for name in kind.model_fields}
    assert set(re.findall(r"TOLLGATE_[A-Z_]+", RUNBOOK)) <= settings


def test_the_compose_file_serves_the_runbook() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]
    mounted = dict(mount.split(":")[:2] for mount in service["volumes"])
    assert f"--web.console.templates={mounted['./deploy/prometheus']}/consoles" in service["command"]
    assert (PROMETHEUS / "consoles/runbook.html").is_file()


def test_prometheus_scrapes_the_processes_of_the_compose_file() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in config["scrape_configs"]}
    assert list(jobs) == [f"tollgate-{name}" for name in ("worker", "payments", "views", "gateway", "notifier")]
    for name, lookup in ((job.removeprefix("tollgate-"), lookup) for job, lookup in jobs.items()):
        assert lookup["names"] == [name]
        own = "TOLLGATE_HEALTH_PORT" if name == "worker" else f"TOLLGATE_{name.upper()}_HEALTH_PORT"
        assert str(lookup["port"]) == services[name]["environment"][own]
    assert jobs["tollgate-worker"]["port"] == Settings.model_validate({}).health_port
    assert 'up{job="tollgate-worker"}' in ALERTS[0]["expr"]
    assert [name for name in config["rule_files"] if not (PROMETHEUS / name).is_file()] == []


def test_grafana_finds_its_dashboard_and_data_source() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/tollgate.yml").read_text())["providers"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    path = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{path}:ro" in grafana["volumes"]
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{path}/tollgate.json"
    assert source["url"] == "http://prometheus:9090"


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [["check", "config", "deploy/prometheus/prometheus.yml"], ["test", "rules", "tests/deploy/alerts.promtool.yml"]],
    ids=["configuration", "alerts fire when they should"],
)
def test_promtool_agrees(arguments: list[str]) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:query{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(QUERIES)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
