"""`tollgate up`, as whoever starts it sees it: what it prints, what answers behind it, and what the next run finds."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.stack.parts import USUAL_PORTS, usual_ports
from devkit.server import HOST, free_port
from tests.lane.stage import ROOT, wait_until
from tests.processes import any_runs, children

DEADLINE_S = 200
LINK = re.compile(r"page of (\S+) .* (http://\S+/portal/open/[\w-]{43})$", re.MULTILINE)


def own_ports() -> dict[str, str]:
    """Not the usual ports: other tests expect that nobody listens there."""
    names = ("STACK_KAFKA_PORT", "STACK_REDIS_PORT", *USUAL_PORTS)
    return {name: str(free_port()) for name in names}


class Up:
    """One `tollgate up`, its two outputs in files."""

    def __init__(self, folder: Path, number: int, *options: str) -> None:
        self.data = folder / "data"
        self._out, self._err = folder / f"out-{number}", folder / f"err-{number}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TOLLGATE_", "STACK_"))}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tollgate", "up", "--data", str(self.data), "--every", "0.5", *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**clean, "TOLLGATE_PARTITIONS": "2", **own_ports()},
            )

    def wait_up(self) -> "Up":
        def up() -> bool:
            assert self.process.poll() is None, self.errors()
            return "Ctrl-C stops everything." in self.text()

        wait_until(up, "everything to be up", DEADLINE_S)
        return self

    def text(self) -> str:
        return self._out.read_text()

    def errors(self) -> str:
        return self._err.read_text()

    def variables(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.data / "variables").read_text().splitlines())

    def get(self, path: str) -> Any:
        """An answer of the API, with the key that is printed."""
        [key] = re.findall(r"tg_[\w-]{43}", self.text())
        request = urllib.request.Request(
            f"{self.variables()['GATEWAY_URL']}/v1/{path}", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def live_charges(self) -> list[str]:
        charges = [one for account in ("demo-credits", "demo-minutes") for one in self.charges(account)]
        return [one["call_id"] for one in charges if one["call_id"].startswith("live-")]

    def charges(self, account: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get(f"accounts/{account}/charges?limit=200")["items"]
        return items

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    runs: list[Up] = []

    def begin(*options: str) -> Up:
        runs.append(Up(tmp_path, len(runs), *options))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def test_a_month_is_there_calls_come_in_and_the_next_run_goes_on(start: Callable[..., Up]) -> None:
    """Takes a minute: it starts a Kafka, Redis and every process twice, and plays a month."""
    first = start().wait_up()
    assert [account for account, _ in LINK.findall(first.text())] == ["demo-credits", "demo-minutes"]
    assert len(first.charges("demo-minutes")) > 50
    month = {one["call_id"]: one for one in first.charges("demo-credits") if not one["call_id"].startswith("live-")}
    assert len(month) > 30
    wait_until(lambda: len(first.live_charges()) >= 2, "charges of live calls", 150)
    wait_until(lambda: any(first.data.glob("mails/*-Receipt-*.eml")), "a mail of the month", 60)

    second = start()
    assert second.process.wait(60) == 1
    assert "Another `tollgate up` uses" in second.errors()

    processes = children(first.process.pid)
    assert first.stop() == 0, first.errors()
    assert not any_runs(processes)
    assert "nothing is left running" in first.errors()

    third = start().wait_up()
    assert "playing a month" not in third.errors()
    kept = {one["call_id"]: one for one in third.charges("demo-credits")}
    assert month.items() <= kept.items()
    assert third.stop() == 0, third.errors()


def test_a_month_that_was_cut_short_is_played_again(start: Callable[..., Up]) -> None:
    """Takes half a minute: a run is stopped in the middle of its first start, and the next one starts over."""
    first = start()
    wait_until(lambda: "playing a month" in first.errors(), "the month to begin", DEADLINE_S)
    assert first.stop() == 0, first.errors()
    second = start().wait_up()
    assert "playing a month" in second.errors()
    assert len(second.charges("demo-minutes")) > 50
    assert second.stop() == 0


def test_a_usual_port_that_is_taken_is_not_used() -> None:
    [name] = [name for name, port in USUAL_PORTS.items() if port == 8_022]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # Somebody else has it.
            taken.bind((HOST, USUAL_PORTS[name]))
            taken.listen()
        assert name not in usual_ports({})
    assert not usual_ports(dict.fromkeys(USUAL_PORTS, "9999"))
