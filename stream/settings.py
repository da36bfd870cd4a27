"""The settings: environment variables that begin with TOLLGATE_, read once, when a worker starts."""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import typer
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "TOLLGATE_"
# Variables of other processes, which may share the environment with a worker. Each process checks its own.
OTHER_PREFIXES = ("PAYMENTS_", "ISSUER", "GATEWAY_", "VIEWS_", "REDIS_", "NOTIFIER_", "AUDITOR_")
SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(:(?P<port>[0-9]{1,5}))?")
PORT_MAX = 65_535
SERVICE = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_[0-9]+_(TCP|UDP)(_|$)")


def _servers(given: str) -> str:
    """Check one or several HOST:PORT. The port defaults to Kafka's own, 9092."""
    for server in given.split(","):
        found = SERVER.fullmatch(server.strip())
        if found is None or int(found["port"] or 1) not in range(1, PORT_MAX + 1):
            raise ValueError(f"{server.strip()!r} is no HOST:PORT")
    return given


class Settings(BaseSettings):
    """The settings of a worker. An invalid value is refused at start, by name."""

    model_config = SettingsConfigDict(env_prefix="TOLLGATE_", extra="ignore", frozen=True)

    # Prefixes, after TOLLGATE_, of the variables of other processes.
    foreign: ClassVar[tuple[str, ...]] = OTHER_PREFIXES

    bootstrap_servers: Annotated[str, AfterValidator(_servers)] = "127.0.0.1:9092"
    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "tollgate"
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    replication_factor: Annotated[int, Field(ge=1, le=10)] = 1
    plans: Path | None = None
    currencies: Path | None = None
    signing_keys: SecretStr = SecretStr("")
    clock: Literal["wall", "none"] = "wall"
    time: Literal["broker", "ticks"] = "broker"
    tick_ahead_max_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 60_000
    session_timeout_ms: Annotated[int, Field(ge=1_000, le=300_000)] = 6_000
    transaction_timeout_ms: Annotated[int, Field(ge=1_000, le=900_000)] = 15_000
    batch_records_max: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    buffer_records_max: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000
    stalled_after_s: Annotated[int, Field(ge=2, le=3_600)] = 30
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_011
    log_level: Literal["debug", "info"] = "info"

    @model_validator(mode="after")
    def _refuse_unknown_names(self) -> Self:
        """Refuse unknown variables: a misspelt one would silently leave a setting at its default."""
        given = (name for name, value in os.environ.items() if not is_injected(name, value))
        wrong = unknown_names(given, type(self).model_fields, self.foreign)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def topic(self, name: str) -> str:
        """The name on the cluster of the contract topic `name`."""
        return self.topic_prefix + name

    def keys(self) -> tuple[bytes, ...]:
        """The signing keys in the given order, newest first; empty when no signature is required."""
        return tuple(key.strip().encode() for key in self.signing_keys.get_secret_value().split(",") if key.strip())


def is_injected(name: str, value: str) -> bool:
    """Whether Kubernetes made this variable for a service whose name begins like ours."""
    return SERVICE.search(name) is not None or ("_PORT" in name and value.startswith("tcp://"))


def unknown_names(given: Iterable[str], fields: Iterable[str], foreign: tuple[str, ...]) -> list[str]:
    """One sentence for each of the `given` variables that has our prefix and belongs to no process, with the nearest
    known name.
    """
    known = [f"{PREFIX}{name.upper()}" for name in fields]
    found = []
    for name in sorted(given):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.removeprefix(PREFIX).startswith(foreign):
            continue
        near = get_close_matches(upper, known, n=1, cutoff=0.0)
        found.append(f"{name} is no setting: do you mean {near[0]}?")
    return found


def validation_line(error: ValidationError) -> str:
    """The refused settings in one line, each by its variable. The given values are left out: they may be secret."""
    parts = []
    for one in error.errors(include_input=False, include_url=False):
        message = one["msg"].removeprefix("Value error, ")
        parts.append(f"{PREFIX}{str(one['loc'][0]).upper()}: {message}" if one["loc"] else message)
    return "; ".join(parts)


# One sentence for each setting, for `tollgate settings` and the README, in the order of the class.
MEANING = {
    "bootstrap_servers": "Kafka brokers, `HOST:PORT`, separated by commas.",
    "app_id": "Prefix of the consumer group, transactional ids and changelog. Changing it starts with empty state.",
    "topic_prefix": "Prefix of every topic name.",
    "partitions": "Partitions of every topic, fixed for the life of the data. A worker refuses any other count.",
    "replication_factor": "Replication factor of topics that the worker or `topics --apply` creates.",
    "plans": "Plan catalogue (TOML) that replaces the shipped one.",
    "currencies": "Currencies (TOML) whose entries replace the shipped ones.",
    "signing_keys": "Signing keys, separated by commas. Each tick, and each input that moves money without a call, "
    "must be signed with one of them. Empty: no signatures required. Secret.",
    "clock": "`wall`: workers write one `clock-ticked` to each partition every second; `none`: another producer "
    "writes them.",
    "time": "`broker`: inputs and ticks are checked against their broker timestamps; `ticks`: only ticks define the "
    "time (simulation).",
    "tick_ahead_max_ms": "A tick further ahead of its broker timestamp than this (ms) is refused as `future_time`.",
    "session_timeout_ms": "A worker without a heartbeat for this long (ms) loses its partitions. A third of it is the "
    "heartbeat interval.",
    "transaction_timeout_ms": "The broker aborts a transaction left open for this long (ms). Readers wait until then.",
    "batch_records_max": "Maximum number of inputs in one transaction.",
    "buffer_records_max": "Fetching a partition pauses when this many of its inputs wait in memory.",
    "stalled_after_s": "The worker exits when its event loop hangs, or inputs or timed work wait without a commit, "
    "for this long (s).",
    "health_host": "Address of `/metrics` and `/readyz`.",
    "health_port": "Port of `/metrics` and `/readyz`. 0 chooses a free port and logs it.",
    "log_level": "`info`, or `debug` for one line per batch.",
}


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    return "" if value is None else str(value)


def settings_table(settings: Settings, meaning: Mapping[str, str] = MEANING) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each setting in `meaning`. A secret that is set shows as `***`."""
    return [(f"{PREFIX}{name.upper()}", _shown(getattr(settings, name)), text) for name, text in meaning.items()]


def command() -> None:
    """Print each setting of the worker with its value and meaning.

    Secrets are masked.
    """
    for name, value, meaning in settings_table(Settings()):
        typer.echo(f"{name:<32} {value:<20} {meaning}")
