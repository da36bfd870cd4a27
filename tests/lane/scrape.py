"""Reads the metrics of a worker."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tests.lane.stage import WorkerProcess, wait_until


def wait_port(worker: WorkerProcess) -> int:
    """The port of `/metrics`, once it answers there."""
    wait_until(lambda: bool(worker.events("worker starts")), "a health port")
    return int(worker.events("worker starts")[0]["health_port"])


def scrape(port: int) -> str:
    """All metrics, in Prometheus' text."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def sample(port: int, name: str) -> float:
    """The sum of a metric's samples."""
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in scrape(port).splitlines() if line.split("{")[0].split(" ")[0] == name
    )


def by_partition(worker: WorkerProcess, name: str) -> dict[int, float]:
    """The samples of a metric, by their label `partition`."""
    text = scrape(wait_port(worker))
    return {
        int(sample.labels["partition"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }
