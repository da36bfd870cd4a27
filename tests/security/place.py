"""Processes on a broker that grants nothing by itself, each as a user of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.notifier import topics as notifier_topics
from payments.adapter import topics as adapter_topics
from payments.settings import Settings
from stream.rights import Right, Rights
from stream.startup import make_topics
from stream.topics import declared
from tests.lane.acls import acls_of, grant, take_away
from tests.lane.stage import ROOT
from tests.security.secured_broker import LOOPBACK, SASL_SSL, Secrets, password_of, secured

PARTITIONS = 2
ENDED_S = 120
# Processes that run at the same time.
AT_ONCE = 3
# Ids, keys and providers that no test here is about.
COMMON = {
    "payments_provider": "fake",
    "signing_keys": "the key of the tests",
    "health_port": "0",
    "payments_health_port": "0",
    "gateway_port": "0",
    "gateway_health_port": "0",
    "notifier_health_port": "0",
    "session_timeout_ms": "6000",
    "log_level": "debug",
}


def settings_of(name: str, **changed: Any) -> Settings:
    """The names of everything that belongs to the app id `name`."""
    return Settings(app_id=name, topic_prefix=f"{name}.", partitions=PARTITIONS, **changed)


def each_name(rights: Iterable[Right]) -> list[Right]:
    """The rights with one name each."""
    return [replace(right, names=(name,)) for right in rights for name in right.names]


def refusal_of(right: Right) -> str:
    """The words that name the one right a process lacks."""
    [name] = right.names
    return f"may not {right.operation.name} on {right.kind} {name}: grant it"


class Place:
    """A secured broker, its certificates, and the processes of a test module."""

    def __init__(self, directory: Path, users: Iterable[str]) -> None:
        self.directory = directory
        self.secrets = Secrets(directory)
        self._keys = directory / "keys.toml"  # Of the gateway's callers: it has none.
        self._keys.touch()
        self.targets = directory / "notify.toml"  # Of the notifier: it has none.
        self.targets.touch()
        self.broker = secured(directory / "kafka", self.secrets, users)

    def topics(self, name: str) -> None:
        """Create the topics of worker, adapter and notifier, as the superuser that the plaintext port makes of
        everybody.
        """
        settings = settings_of(name, bootstrap_servers=self.broker.bootstrap)
        others = {**adapter_topics.needed(settings), **notifier_topics.needed(settings)}
        asyncio.run(make_topics(settings, {**declared(settings), **others}))

    def grant(self, user: str, rights: Rights) -> None:
        asyncio.run(grant(self.broker.bootstrap, acls_of(user, rights)))

    def take_away(self, user: str, rights: Rights) -> None:
        asyncio.run(take_away(self.broker.bootstrap, acls_of(user, rights)))

    def login(self, user: str) -> dict[str, str]:
        """The settings with which a process connects as `user`; its password is in a file."""
        file = self.directory / f"password-of-{user}"
        file.write_text(f"{password_of(user)}\n")
        return {
            "bootstrap_servers": self.address(SASL_SSL),
            "security_protocol": "SASL_SSL",
            "ssl_ca_file": str(self.secrets.ca),
            "sasl_user": user,
            "sasl_password_file": str(file),
        }

    def address(self, listener: str) -> str:
        return f"{LOOPBACK}:{self.broker.ports[listener]}"

    def environment(self, name: str, connection: dict[str, str], **changed: str) -> dict[str, str]:
        names = {"app_id": name, "topic_prefix": f"{name}.", "partitions": str(PARTITIONS)}
        values = {**COMMON, "api_keys": str(self._keys), "notify": str(self.targets), **names, **connection, **changed}
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **{f"TOLLGATE_{key.upper()}": text for key, text in values.items()},
        }

    def ended(self, command: str, name: str, connection: dict[str, str], **changed: str) -> tuple[int, str]:
        """Run `tollgate COMMAND` to its end. Returns its status and all of its output."""
        ended = subprocess.run(
            [sys.executable, "-m", "tollgate", *command.split()],
            check=False,
            cwd=self.directory,
            env=self.environment(name, connection, **changed),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ENDED_S,
        )
        return ended.returncode, ended.stdout
