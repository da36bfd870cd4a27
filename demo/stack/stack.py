"""Kafka, Redis and every process of Tollgate on this machine: started together, watched, and stopped in order."""

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from demo.children import STOP_DEADLINE_S, Child, ChildDiedError, check_server, is_ready, tail
from demo.stack.parts import GATEWAY, PARTS, REDIS, Part, address, url, with_ports
from devkit.broker import DevBroker
from devkit.redis import DevRedis
from devkit.server import HOST, DevServer
from gateway.http.new_key import add_key

READY_DEADLINE_S = 120  # It takes ten seconds on an idle machine with two cores.
PROBE_EVERY_S = 0.1

BROKERS, REDIS_URL, API_KEYS = "TOLLGATE_BOOTSTRAP_SERVERS", "TOLLGATE_REDIS_URL", "TOLLGATE_API_KEYS"
PORTAL_URL = "TOLLGATE_PORTAL_URL"
SIGNING_KEYS, PROVIDER = "TOLLGATE_SIGNING_KEYS", "TOLLGATE_PAYMENTS_PROVIDER"


class Stack:
    """Use as a context manager: it starts everything, and stops everything that it started.

    `given` are settings as environment variables; what they leave out, the stack makes: Kafka, Redis, ports, keys, the
    fake payment provider. `without` names processes that do not run. Data, logs and made keys are in `folder`, which
    the caller removes. `progress` is called with a line about each step, and `before` with the settings when Kafka and
    Redis answer and nothing else runs.
    """

    def __init__(
        self,
        folder: Path,
        given: Mapping[str, str],
        without: Collection[str] = (),
        progress: Callable[[str], None] = lambda _: None,
        *,
        before: Callable[[Mapping[str, str]], None] = lambda _: None,
        kafka_port: int | None = None,
        redis_port: int | None = None,
    ) -> None:
        self._folder, self._progress, self._before = folder, progress, before
        self._parts = [part for part in PARTS if part.name not in without and (not part.needs or given.get(part.needs))]
        self._settings = with_ports(given)
        self._kafka = None if given.get(BROKERS) else DevBroker(folder / "kafka", kafka_port)
        own_redis = not given.get(REDIS_URL) and REDIS not in without
        self._redis = DevRedis(folder / "redis", port=redis_port) if own_redis else None
        self._children: dict[str, Child] = {}
        self._ending = ExitStack()
        # What a client of the stack needs, in the words of the settings and with the process ids.
        self.variables: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def check(self) -> None:
        """Raises ChildDiedError when a process has ended."""
        # Kafka first: when it ends, its clients end too.
        for server in self._servers():
            check_server(server)
        for child in self._children.values():
            child.check()

    def run(self, name: str, *command: str, given: Mapping[str, str] | None = None) -> None:
        """Run `python -m …` as one more process, with the stack's settings and `given`."""
        child = Child.python(name, [*command], self._folder, {**self._settings, **(given or {})}, lasting=True)
        self._children[name] = child
        self._ending.callback(self._stop, child)

    def _start(self) -> None:
        for server in self._servers():
            self._progress(f"starting {server.name} …")
            self._ending.callback(server.stop)
            server.start()
        self._make_settings()
        self._before(self._settings)
        began_s = time.monotonic()
        self._progress(f"starting {', '.join(part.name for part in self._parts)} …")
        for part in self._parts:
            self.run(part.name, "tollgate", *part.command)
        for part in self._parts:
            self._wait_ready(part, began_s + READY_DEADLINE_S)
            self._progress(f"{part.name} is ready after {time.monotonic() - began_s:.1f} s")
        self._describe()

    def _servers(self) -> Iterator[DevServer]:
        yield from (server for server in (self._kafka, self._redis) if server is not None)

    def _make_settings(self) -> None:
        settings = self._settings
        if self._kafka is not None:
            settings[BROKERS] = self._kafka.bootstrap
        if self._redis is not None:
            settings[REDIS_URL] = self._redis.url
        if not settings.get(SIGNING_KEYS):
            settings[SIGNING_KEYS] = secrets.token_hex(32)
        if not settings.get(PROVIDER):
            settings[PROVIDER] = "fake"
        self.variables = {name: settings[name] for name in (BROKERS, REDIS_URL, SIGNING_KEYS) if settings.get(name)}
        if "gateway" not in {part.name for part in self._parts}:
            return
        self.variables["GATEWAY_URL"] = url(settings, GATEWAY)
        if not settings.get(API_KEYS):
            keys = self._folder / "api-keys.toml"
            settings[API_KEYS] = str(keys)
            _, self.variables["API_KEY"] = add_key(keys, ["admin"], key_id="stack")
        if not settings.get(PORTAL_URL):
            settings[PORTAL_URL] = f"http://{HOST}:{settings[f'{GATEWAY}_PORT']}"

    def _wait_ready(self, part: Part, until_s: float) -> None:
        while not is_ready(*address(self._settings, part.health)):
            self.check()
            if time.monotonic() > until_s:
                log = self._children[part.name].log
                raise ChildDiedError(f"{part.name} is not ready after {READY_DEADLINE_S} s:\n{tail(log)}")
            time.sleep(PROBE_EVERY_S)

    def _describe(self) -> None:
        for part in self._parts:
            self.variables[f"{part.name.upper()}_HEALTH_URL"] = url(self._settings, part.health)
        for server in self._servers():
            self.variables[f"{server.name.upper()}_PID"] = str(server.pid)
        for name, child in self._children.items():
            self.variables[f"{name.upper()}_PID"] = str(child.process.pid)

    def _stop(self, child: Child) -> None:
        # Without its Kafka a process would only wait for its last commit until the deadline.
        orphaned = self._kafka is not None and not self._kafka.running
        child.stop(patience_s=0 if orphaned else STOP_DEADLINE_S)
