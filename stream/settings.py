"""What an operator may set: environment variables that begin with TOLLGATE_, each read once, when a worker starts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of a worker. A value that cannot be used is refused at start, by name."""

    model_config = SettingsConfigDict(env_prefix="TOLLGATE_", extra="ignore", frozen=True)

    bootstrap_servers: str = "127.0.0.1:9092"
    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "tollgate"
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    replication_factor: Annotated[int, Field(ge=1, le=10)] = 1
    plans: Path | None = None
    signing_keys: SecretStr = SecretStr("")
    clock: Literal["wall", "none"] = "wall"
    session_timeout_ms: Annotated[int, Field(ge=1_000, le=300_000)] = 6_000
    transaction_timeout_ms: Annotated[int, Field(ge=1_000, le=900_000)] = 15_000
    batch_records_max: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    buffer_records_max: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000
    stalled_after_s: Annotated[int, Field(ge=2, le=3_600)] = 30
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_011
    log_level: Literal["debug", "info"] = "info"

    def topic(self, name: str) -> str:
        """The name on the cluster of the contract's topic `name`."""
        return self.topic_prefix + name

    def keys(self) -> tuple[bytes, ...]:
        """The signing keys, newest first as given; empty when no signature is asked for."""
        return tuple(key.strip().encode() for key in self.signing_keys.get_secret_value().split(",") if key.strip())


# One sentence for each setting, for `python -m stream settings` and the README. Kept beside the class, in its order.
MEANING = {
    "bootstrap_servers": "Kafka brokers, `HOST:PORT`, separated by commas.",
    "app_id": "Names the consumer group, the transactional ids and the changelog: another id is another state.",
    "topic_prefix": "Put before every topic name of the contract.",
    "partitions": "Partitions of every topic, fixed for the life of the data: a worker refuses another count.",
    "replication_factor": "Replicas of a topic that the worker or `topics --apply` creates.",
    "plans": "Plan catalogue (TOML) used in place of the shipped one.",
    "signing_keys": "Keys, separated by commas; one must have signed each input that moves money without a call. "
    "Empty: signatures are not asked for. Secret.",
    "clock": "`wall`: one worker puts a `clock-ticked` per partition and second; `none`: time comes from elsewhere.",
    "session_timeout_ms": "A worker silent for so long loses its partitions (ms). A third of it is the heartbeat.",
    "transaction_timeout_ms": "The broker aborts a batch left open for so long (ms); readers wait for it until then.",
    "batch_records_max": "Most inputs in one transaction.",
    "buffer_records_max": "Inputs of one partition held in memory before it is no longer fetched.",
    "stalled_after_s": "The worker ends itself when inputs wait and nothing was committed for so long (s).",
    "health_host": "Address of `/metrics` and `/readyz`.",
    "health_port": "Port of `/metrics` and `/readyz`; 0 takes a free one, which is logged.",
    "log_level": "`info`, or `debug` for one line a batch.",
}
