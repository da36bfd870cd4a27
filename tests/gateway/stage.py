"""Gateways as child processes, with the worker and the views that they stand on, and callers of their HTTP."""

import http.client
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from redis import Redis

from stream.fail_stop import Exit
from tests.lane.stage import wait_until
from tests.payments.adapter_stage import PythonProcess
from tests.views.stage import ViewsProcess

PARTITIONS = 2
ADMIN = ("admin",)
PRODUCT = ("tollgate", "gateway")


@dataclass(frozen=True)
class Reply:
    """An answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.headers, self.body)
        document = self.json()
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["x-request-id"]
        return str(document["code"])


class GatewayProcess(PythonProcess):
    """One `tollgate gateway`."""

    def started(self) -> dict[str, Any]:
        lines = self.events("gateway starts")
        return lines[0] if lines else {}

    @property
    def port(self) -> int:
        return int(self.started()["port"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def health(self, path: str) -> Reply:
        return call(int(self.started()["health_port"]), "GET", path)

    def metrics(self) -> str:
        return self.health("/metrics").body.decode()

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log()[-3_000:]
        return bool(self.started()) and self.health("/readyz").status == 200

    def wait_ready(self, seconds: float = 60) -> "GatewayProcess":
        wait_until(self.ready, f"a gateway that is ready: {self.log()[-1_000:]}", seconds)
        return self

    def stop(self) -> None:
        """SIGTERM: it must end by itself, with status 0."""
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log()[-3_000:]

    def wait_ended(self, seconds: float = 60) -> tuple[int, dict[str, Any]]:
        """Exit status and last line."""
        status = self.process.wait(seconds)
        return status, json.loads(self.log().splitlines()[-1])


def named_for_process(name: str) -> str:
    """A name for a stage that several files share: each process that runs some of them has a stage of its own."""
    return f"{name}-{os.getpid()}"


def call(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request, with the path exactly as it is given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
    finally:
        connection.close()


@dataclass
class KeyFile:
    """The file of keys of a stage."""

    path: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, key_id: str, *scopes: str, **fields: Any) -> str:
        """A new key, in the file at once. Returns its text."""
        text = f"tg_{secrets.token_urlsafe(32)}"
        self.entries[key_id] = {"sha256": sha256(text.encode()).hexdigest(), "scopes": list(scopes or ADMIN), **fields}
        self.write()
        return text

    def remove(self, key_id: str) -> None:
        del self.entries[key_id]
        self.write()

    def write(self) -> None:
        """As an editor does it: the file is replaced whole."""
        lines: list[str] = []
        for key_id, fields in self.entries.items():
            lines += ["[[key]]", f"id = {json.dumps(key_id)}"]
            # Times stand without quotes in TOML; JSON and TOML agree about the rest.
            lines += [f"{k} = {v if k == 'expires_at' else json.dumps(v)}" for k, v in fields.items()]
        new = self.path.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        new.replace(self.path)


class GatewayStage:
    """Topics, processes and keys of one test or module, with names of their own. `key` may do everything."""

    def __init__(self, bootstrap: str, redis_url: str, name: str, directory: Path) -> None:
        self.processes: list[PythonProcess] = []
        self._supervised: list[PythonProcess] = []
        self.gateways: list[GatewayProcess] = []
        self.bootstrap, self.redis_url, self.name = bootstrap, redis_url, name
        self.directory = directory
        self.keys = KeyFile(directory / "keys.toml")
        self.key = self.keys.add("stage", requests_per_s=10_000)
        self.redis: Any = Redis.from_url(redis_url, socket_timeout=20)
        self._closing = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name=f"supervisor of {name}", daemon=True)
        self._supervisor.start()

    def environment(self, **changed: object) -> dict[str, str]:
        """The variables that every process is started with; keyword arguments are settings, None leaves one out."""
        values: dict[str, object] = {
            "bootstrap_servers": self.bootstrap,
            "app_id": self.name,
            "topic_prefix": f"{self.name}.",
            "partitions": PARTITIONS,
            "redis_url": self.redis_url,
            "api_keys": self.keys.path,
            **{f"{process}health_port": 0 for process in ("", "views_", "gateway_", "payments_")},
            "gateway_port": 0,
            "command_timeout_ms": 30_000,  # A busy machine decides late.
            "log_level": "debug",
            **changed,
        }
        return {f"TOLLGATE_{name.upper()}": str(value) for name, value in values.items() if value is not None}

    def start(self, *words: str, **changed: object) -> PythonProcess:
        """`tollgate …`, any command that runs until it is stopped."""
        return self._supervise_too(
            PythonProcess(["tollgate", *words], self.environment(**changed), self._log(words[0]))
        )

    def worker(self, **changed: object) -> PythonProcess:
        """A worker that owns every partition."""
        worker = self.start("worker", **changed)
        wait_until(lambda: self._owns_all(worker), f"a worker: {worker.log()[-1_000:]}")
        return worker

    def views(self, **changed: object) -> ViewsProcess:
        """Views that have caught up."""
        views = ViewsProcess(["tollgate", "views"], self.environment(**changed), self._log("views"))
        self._supervise_too(views)
        views.wait_ready()
        return views

    def gateway(self, *, program: Sequence[str] = PRODUCT, **changed: object) -> GatewayProcess:
        """A gateway that is ready. The first one answers `get` and `post` unless they are given another."""
        gateway = self.starting_gateway(program=program, **changed).wait_ready()
        self.gateways.append(gateway)
        return gateway

    def starting_gateway(self, *, program: Sequence[str] = PRODUCT, **changed: object) -> GatewayProcess:
        """A gateway that may not become ready."""
        gateway = GatewayProcess([*program], self.environment(**changed), self._log("gateway"))
        self._keep(gateway)
        return gateway

    def command(self, *words: str, **changed: object) -> subprocess.CompletedProcess[str]:
        """`tollgate …` until it ends; `stdout` holds both of its outputs."""
        log = self._log("command")
        process = PythonProcess(["tollgate", *words], self.environment(**changed), log)
        return subprocess.CompletedProcess(words, process.process.wait(120), process.log())

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
        gateway: GatewayProcess | None = None,
    ) -> Reply:
        """One request. `key` is the stage's own by default, None sends none; a body that is not bytes goes as JSON."""
        sent = {} if key is None else {"Authorization": f"Bearer {key or self.key}"}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        return call((gateway or self.gateways[0]).port, method, path, body, sent | dict(headers or {}))

    def get(self, path: str, **options: Any) -> Reply:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        return self.request("POST", path, body, **options)

    def shown(self, account: str, reply: Reply) -> Reply:
        """Wait until the views have the account as it is after a command, whose answer is returned."""
        version = reply.json().get("version") or 0

        def seen() -> bool:
            read = self.get(f"/v1/accounts/{quote(account, safe='')}?min_version={version}")
            return read.status == 200 and read.json()["version"] >= version

        try:
            wait_until(seen, f"version {version} of {account} in the views after {reply.status}", 40)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self._state()}") from error
        return reply

    def _state(self) -> str:
        """Which processes have ended, and what each said last."""
        ended = [f"{p.words[0]} {p.process.poll()}" for p in self.processes if p.process.poll() is not None]
        tails = "\n".join(f"--- {process.words}\n{process.log()[-3_000:]}" for process in self.processes)
        return f"ended: {ended}\n{tails}"

    def client(self, key: str = "", gateway: GatewayProcess | None = None) -> aiohttp.ClientSession:
        """A client for many requests at a time, to be used in `async with`."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return aiohttp.ClientSession((gateway or self.gateways[0]).url, headers=headers)

    def end(self, process: PythonProcess) -> None:
        """SIGTERM, and nothing starts it again."""
        self._supervised.remove(process)
        process.process.terminate()

    def close(self) -> None:
        self._closing.set()
        self._supervisor.join()
        for process in self.processes:
            process.kill()
        self.redis.close()

    def _supervise(self) -> None:
        """Start again what has ended for a reason that passes, as every supervisor does. A stage lives for minutes: if
        the machine stands still for a while, each of its workers may end.
        """
        while not self._closing.wait(0.5):
            for process in list(self._supervised):
                if process.process.poll() == Exit.PASSING:
                    process.begin_again()

    def _supervise_too(self, process: PythonProcess) -> PythonProcess:
        self._supervised.append(process)
        return self._keep(process)

    def _keep(self, process: PythonProcess) -> PythonProcess:
        self.processes.append(process)
        return process

    def _log(self, what: str) -> Path:
        return self.directory / f"{what}-{len(list(self.directory.glob('*.log')))}.log"

    @staticmethod
    def _owns_all(worker: PythonProcess) -> bool:
        assert worker.process.poll() in {None, Exit.PASSING}, worker.log()[-3_000:]
        lines = worker.events("partitions owned")
        return bool(lines) and len(lines[-1]["partitions"]) == PARTITIONS
