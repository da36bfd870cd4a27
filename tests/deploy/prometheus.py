"""A real Prometheus (Debian's package) as a child process, with the project's alerts, scraping given workers."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from devkit.server import HOST, free_port, spawn_tied
from tests.lane.stage import ROOT, wait_until

UNPACKED = ROOT / ".prometheus/usr/bin"
FOLDER = ROOT / "deploy/prometheus"
MISSING = "no prometheus here: `make setup-tests` unpacks Debian's"
SCRAPE_EVERY = "500ms"


def tool(name: str) -> Path | None:
    """The path of a program of the package, installed or unpacked by `make setup-tests`; None without it."""
    found = shutil.which(name) or shutil.which(UNPACKED / name)
    return Path(found) if found else None


PROMTOOL, SERVER = tool("promtool"), tool("prometheus")


def expression_of(alert: str) -> str:
    """The deployed expression of an alert."""
    [group] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return next(str(rule["expr"]) for rule in group["rules"] if rule["alert"] == alert)


class Prometheus:
    """A server with an empty store and the configuration of `deploy/prometheus`, except for targets and intervals.

    `ports` are the ports to scrape, by job name.
    """

    def __init__(self, directory: Path, ports: Mapping[str, Iterable[int]]) -> None:
        self._directory = directory
        self._port = free_port()
        self.url = f"http://{HOST}:{self._port}"
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] = {
            "scrape_interval": SCRAPE_EVERY,
            "scrape_timeout": SCRAPE_EVERY,
            "evaluation_interval": "1s",
        }
        config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [f"{HOST}:{port}" for port in ports.get(job["job_name"], ())]}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        assert SERVER is not None, MISSING
        command = [
            str(SERVER),
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={HOST}:{self._port}",
            f"--web.external-url={self.url}",
            f"--web.console.templates={FOLDER / 'consoles'}",
        ]
        self._process = spawn_tied(command, self._directory / "prometheus.log")
        wait_until(self._ready, "Prometheus", 60)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> str:
        """The body of a response. Raises OSError, also for a status other than 200."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def api(self, path: str, **parameters: str) -> Any:
        """The `data` of a response of the API."""
        answer = json.loads(self.get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        assert answer["status"] == "success"
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The current series of an expression: labels and value."""
        return [(one["metric"], float(one["value"][1])) for one in self.api("query", query=expression)["result"]]

    def _ready(self) -> bool:
        assert self._process.poll() is None, (self._directory / "prometheus.log").read_text()[-2_000:]
        try:
            self.get("/-/ready")
        except OSError:
            return False
        return True
