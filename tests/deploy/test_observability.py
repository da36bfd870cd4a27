"""Dashboard and alerts ask for what a worker tells, and an alert says where to read on."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from payments.metrics import METRICS as PAYMENT_METRICS
from stream.metrics import DEAD_LETTER_CODES, FACT_TYPES, GATE_REASONS, METRICS, OUTCOMES
from stream.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/tollgate.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
EXPRESSIONS = [*QUERIES, *(alert["expr"] for alert in ALERTS)]
RUNBOOK = {
    "runbook-worker-will-not-start",
    "runbook-lag-grows",
    "runbook-dead-letters-arrive",
    "runbook-payments-are-not-answered",
}
UNITS = {"cps", "s", "short", "none"}
VALUES = {"outcome": OUTCOMES, "code": DEAD_LETTER_CODES, "type": FACT_TYPES, "reason": GATE_REASONS}
BY_NAME = {row.name: row for row in (*METRICS, *PAYMENT_METRICS)}

each_expression = pytest.mark.parametrize("expression", EXPRESSIONS)
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def metrics_of(expression: str) -> Iterator[str]:
    """The names as declared: a histogram is asked for by its buckets."""
    for name in re.findall(r"\btollgate_\w+", expression):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        yield family if BY_NAME.get(family, BY_NAME.get(name, METRICS[0])).type == "histogram" else name


@each_expression
def test_every_metric_asked_for_is_told(expression: str) -> None:
    names = set(metrics_of(expression))
    assert names <= set(BY_NAME)
    assert names or expression.startswith("absent(up")


@each_expression
def test_labels_and_their_values_exist(expression: str) -> None:
    labels = {label for name in metrics_of(expression) for label in BY_NAME[name].labels}
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert grouped <= labels | {"instance", "job", "le"}
    for label, value in re.findall(r'(\w+)=~?"([^"]*)"', expression):
        assert label in labels | {"instance", "job"}
        assert label not in VALUES or set(value.split("|")) <= set(VALUES[label])


@each_expression
def test_counters_are_never_shown_as_they_stand(expression: str) -> None:
    for name in metrics_of(expression):
        if BY_NAME[name].type == "counter" and name != "tollgate_restored_rows_total":
            assert re.search(rf"\b(rate|increase|resets)\({name}\b", expression)


@each_panel
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert 'job=~"$job", instance=~"$instance"' in target["expr"]
        assert set(re.findall(r"\[(.*?)\]", target["expr"])) <= {"$__rate_interval"}


def test_panels_are_numbered_once_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells


def test_the_dashboard_can_be_linked_to_and_put_on_any_data_source() -> None:
    assert DASHBOARD["uid"] == "tollgate"
    assert DASHBOARD["schemaVersion"] >= 36
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]


def test_every_metric_is_shown_somewhere() -> None:
    assert {row.name for row in METRICS} - {name for expression in QUERIES for name in metrics_of(expression)} == set()


@each_alert
def test_an_alert_says_how_bad_what_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    document, anchor = alert["annotations"]["runbook_url"].split("#")
    assert document == "README.md"
    assert anchor in RUNBOOK


def test_the_runbook_has_what_the_alerts_point_to() -> None:
    headings = re.findall(r"^#+ (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    assert anchors >= RUNBOOK


def test_prometheus_scrapes_the_workers_of_the_compose_file() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    job, payments = config["scrape_configs"]
    (lookup,) = job["dns_sd_configs"]
    assert f'up{{job="{job["job_name"]}"}}' in ALERTS[0]["expr"]
    assert lookup["names"] == ["worker"]
    assert str(lookup["port"]) == services["worker"]["environment"]["TOLLGATE_HEALTH_PORT"]
    assert lookup["port"] == Settings.model_validate({}).health_port
    (adapter,) = payments["dns_sd_configs"]
    assert adapter["names"] == ["payments"]
    assert str(adapter["port"]) == services["payments"]["environment"]["TOLLGATE_PAYMENTS_HEALTH_PORT"]
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
    done = subprocess.run(["promtool", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:query{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(QUERIES)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
