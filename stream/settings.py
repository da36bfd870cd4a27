"""The settings: environment variables that begin with TOLLGATE_, read once, when a worker starts."""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import typer
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream.connection import WITH_SASL, WITH_TLS, Connection, read_password, tls_context

PREFIX = "TOLLGATE_"
# Variables that not every process reads. Processes may share one environment, and each checks its own.
PROCESS_PREFIXES = (
    *("PAYMENTS_", "ISSUER", "GATEWAY_", "GATE_", "COMMAND_", "API_KEYS", "TRUSTED_PROXIES", "PORTAL_"),
    *("VIEWS_", "REDIS_", "NOTIFIER_", "NOTIFY", "AUDITOR_"),
)
SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(:(?P<port>[0-9]{1,5}))?")
PORT_MAX = 65_535
SERVICE = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_[0-9]+_(TCP|UDP)(_|$)")


def _servers(given: str) -> str:
    """Check one or several HOST:PORT. The port defaults to Kafka's own, 9092."""
    for server in given.split(","):
        found = SERVER.fullmatch(server.strip())
        if found is None or int(found["port"] or 1) not in range(1, PORT_MAX + 1):
            raise ValueError(f"{server.strip()!r} is not HOST:PORT")
    return given


# An empty variable is one that is not set: a compose file passes on every variable it names.
OptionalFile = Annotated[Path | None, BeforeValidator(lambda given: given or None)]


# The settings of the connection to Kafka, which every process has.
CONNECTION = (
    *("bootstrap_servers", "security_protocol", "ssl_ca_file", "ssl_certificate_file", "ssl_key_file"),
    *("sasl_mechanism", "sasl_user", "sasl_password", "sasl_password_file"),
)


class Settings(BaseSettings):
    """The settings of a worker. An invalid value is refused at start, by name.

    Another process derives its own class from this one: with its fields and, as `own_prefixes`, the prefixes of their
    variables. Beside the class stand `MEANING`, a sentence for each field, and `SHARED`, the names of the worker's
    settings that the process reads as well.
    """

    model_config = SettingsConfigDict(env_prefix="TOLLGATE_", extra="ignore", frozen=True)

    # Those of PROCESS_PREFIXES whose variables this process reads, and so checks.
    own_prefixes: ClassVar[tuple[str, ...]] = ()

    bootstrap_servers: Annotated[str, AfterValidator(_servers)] = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_ca_file: OptionalFile = None
    ssl_certificate_file: OptionalFile = None
    ssl_key_file: OptionalFile = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_user: str = ""
    sasl_password: SecretStr = SecretStr("")
    sasl_password_file: OptionalFile = None
    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "tollgate"
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    replication_factor: Annotated[int, Field(ge=1, le=10)] = 1
    plans: OptionalFile = None
    currencies: OptionalFile = None
    signing_keys: SecretStr = SecretStr("")
    clock: Literal["wall", "none", "simulation"] = "wall"
    tick_ahead_max_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 60_000
    session_timeout_ms: Annotated[int, Field(ge=1_000, le=300_000)] = 6_000
    transaction_timeout_ms: Annotated[int, Field(ge=1_000, le=900_000)] = 15_000
    batch_records_max: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    buffer_records_max: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000
    stalled_after_s: Annotated[int, Field(ge=2, le=3_600)] = 30
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_011
    log_level: Literal["debug", "info"] = "info"

    @model_validator(mode="before")
    @classmethod
    def _pass_over_injected(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Leave out what Kubernetes has set under the name of a setting: for a service `tollgate-gateway` it makes
        `TOLLGATE_GATEWAY_PORT=tcp://…`.
        """
        return {name: value for name, value in given.items() if not is_injected(variable_of(name), str(value))}

    @model_validator(mode="after")
    def _refuse_unknown_names(self) -> Self:
        """Refuse unknown variables: a misspelt one would silently leave a setting at its default."""
        given = (name for name, value in os.environ.items() if not is_injected(name, value))
        foreign = tuple(prefix for prefix in PROCESS_PREFIXES if prefix not in self.own_prefixes)
        wrong = unknown_names(given, type(self).model_fields, foreign)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _refuse_half_a_connection(self) -> Self:
        """Refuse what the protocol does not use, which would be trusted and have no effect, and what it lacks."""
        wrong = self._unused() or self._lacking()
        if wrong:
            raise ValueError(wrong)
        _ = self.connection  # Reads the files.
        return self

    @property
    def connection(self) -> Connection:
        """How to reach the brokers. Raises ValueError that names a file that cannot be used."""
        tls = None
        if self.security_protocol in WITH_TLS:
            tls = tls_context(self.ssl_ca_file, self.ssl_certificate_file, self.ssl_key_file)
        user, password = "", SecretStr("")
        if self.security_protocol in WITH_SASL:
            file, user = self.sasl_password_file, self.sasl_user
            password = self.sasl_password if file is None else read_password(file)
        return Connection(self.bootstrap_servers, self.security_protocol, tls, self.sasl_mechanism, user, password)

    def _unused(self) -> str:
        """A setting that the protocol does not use, with the remedy."""
        for name in CONNECTION:
            kind = name.partition("_")[0].upper()
            using = {"SSL": WITH_TLS, "SASL": WITH_SASL}.get(kind)
            if using is None or self.security_protocol in using or getattr(self, name) == _default(name):
                continue
            return (
                f"{variable_of(name)} is set, and TOLLGATE_SECURITY_PROTOCOL={self.security_protocol} does not use"
                f" it: choose a protocol with {kind}"
            )
        return ""

    def _lacking(self) -> str:
        """A setting that is missing beside another one, with the remedy."""
        if self.ssl_key_file is not None and self.ssl_certificate_file is None:
            return "TOLLGATE_SSL_CERTIFICATE_FILE is missing: TOLLGATE_SSL_KEY_FILE is the key of a certificate"
        if self.security_protocol not in WITH_SASL:
            return ""
        if not self.sasl_user:
            return f"TOLLGATE_SASL_USER is missing: TOLLGATE_SECURITY_PROTOCOL={self.security_protocol} needs one"
        given = [bool(self.sasl_password.get_secret_value()), self.sasl_password_file is not None]
        if all(given):
            return "TOLLGATE_SASL_PASSWORD and TOLLGATE_SASL_PASSWORD_FILE are both set: leave one out"
        if not any(given):
            return "the password of TOLLGATE_SASL_USER is missing: set TOLLGATE_SASL_PASSWORD_FILE"
        return ""

    @property
    def simulation(self) -> bool:
        """Whether ticks alone are the time, whatever the broker timestamps say."""
        return self.clock == "simulation"

    def topic(self, name: str) -> str:
        """The name on the cluster of the contract topic `name`."""
        return self.topic_prefix + name

    def keys(self) -> tuple[bytes, ...]:
        """The signing keys in the given order, newest first; empty when no signature is required."""
        return tuple(key.strip().encode() for key in self.signing_keys.get_secret_value().split(",") if key.strip())


def variable_of(name: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def _default(name: str) -> Any:
    return Settings.model_fields[name].default


def is_injected(name: str, value: str) -> bool:
    """Whether Kubernetes made this variable for a service whose name begins like ours."""
    return SERVICE.search(name) is not None or ("_PORT" in name and value.startswith("tcp://"))


def unknown_names(given: Iterable[str], fields: Iterable[str], foreign: tuple[str, ...]) -> list[str]:
    """One sentence for each of the `given` variables that has our prefix and belongs to no process, with the nearest
    known name.
    """
    known = [variable_of(name) for name in fields]
    found = []
    for name in sorted(given):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.removeprefix(PREFIX).startswith(foreign):
            continue
        near = get_close_matches(upper, known, n=1, cutoff=0.0)
        found.append(f"{name} is not a setting: do you mean {near[0]}?")
    return found


def validation_line(error: ValidationError) -> str:
    """The refused settings in one line, each by its variable. The given values are left out: they may be secret."""
    parts = []
    for one in error.errors(include_input=False, include_url=False):
        message = one["msg"].removeprefix("Value error, ")
        parts.append(f"{variable_of(str(one['loc'][0]))}: {message}" if one["loc"] else message)
    return "; ".join(parts)


# One sentence for each setting, for `tollgate settings` and the reference, in the order of the class.
MEANING = {
    "bootstrap_servers": "Kafka brokers, `HOST:PORT`, separated by commas.",
    "security_protocol": "Protocol to the brokers: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`. With `SSL` the "
    "brokers' certificates and host names are checked; with `SASL` the process logs in.",
    "ssl_ca_file": "CA certificates (PEM) that sign the brokers' certificates. Empty: those of the system.",
    "ssl_certificate_file": "Client certificate (PEM), for brokers that require one.",
    "ssl_key_file": "Key of the client certificate (PEM, without a passphrase). Empty: it is in the certificate file.",
    "sasl_mechanism": "SASL mechanism: `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`.",
    "sasl_user": "SASL user.",
    "sasl_password": "Password of the SASL user. A file is safer: other processes may read an environment. Secret.",
    "sasl_password_file": "File that holds the password, instead of `TOLLGATE_SASL_PASSWORD`.",
    "app_id": "Prefix of the consumer group, transactional ids and changelog. A new id starts with empty state.",
    "topic_prefix": "Prefix of every topic name.",
    "partitions": "Partitions of every topic, fixed for the life of the data. A worker refuses any other count.",
    "replication_factor": "Replication factor of topics that the worker or `topics --apply` creates.",
    "plans": "Plan catalogue (TOML) that replaces the shipped one.",
    "currencies": "Currencies (TOML) whose entries replace the shipped ones.",
    "signing_keys": "Signing keys, separated by commas. Each tick, and each input that moves money without a call, "
    "must be signed with one of them. Empty: no signatures required. Secret.",
    "clock": "`wall`: workers write one `clock-ticked` to each partition every second; `none`: another producer "
    "writes them; `simulation`: the same, and ticks alone are the time: broker timestamps are ignored.",
    "tick_ahead_max_ms": "A tick further ahead of its broker timestamp than this (ms) is refused as `future_time`.",
    "session_timeout_ms": "A worker without a heartbeat for this long (ms) loses its partitions. A third of it is the "
    "heartbeat interval.",
    "transaction_timeout_ms": "The broker aborts a transaction left open for this long (ms). Readers wait that long.",
    "batch_records_max": "Maximum number of inputs in one transaction.",
    "buffer_records_max": "Fetching a partition pauses when this many of its inputs wait in memory.",
    "stalled_after_s": "The worker exits when its event loop hangs, or inputs or timed work wait without a commit, "
    "for this long (s).",
    "health_host": "Address of `/metrics`, `/livez` and `/readyz`.",
    "health_port": "Port of `/metrics`, `/livez` and `/readyz`. 0 chooses a free port and logs it.",
    "log_level": "`info`, or `debug` for one line per batch.",
}


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    return "" if value is None else str(value)


def settings_table(
    settings: Settings, meaning: Mapping[str, str] = MEANING, shared: Iterable[str] = ()
) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each setting that a process reads: of the worker's those in `shared`, then those in
    `meaning`. A secret that is set shows as `***`.
    """
    read = {name: MEANING[name] for name in shared} | dict(meaning)
    return [(variable_of(name), _shown(getattr(settings, name)), text) for name, text in read.items()]


def print_settings(settings: Settings, meaning: Mapping[str, str] = MEANING, shared: Iterable[str] = ()) -> None:
    """Print the settings table, a setting a line."""
    table = settings_table(settings, meaning, shared)
    width = max(len(name) for name, _, _ in table)
    for name, value, text in table:
        typer.echo(f"{name:<{width}} {value:<20} {text}")


def command() -> None:
    """Print each setting of the worker with its value and meaning.

    Secrets are masked.
    """
    print_settings(Settings())
