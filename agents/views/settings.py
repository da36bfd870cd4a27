"""The settings of the views: their own TOLLGATE_VIEWS_… variables, those of Redis, and those shared with the worker."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from stream import settings as engine

SHARED = (
    *engine.CONNECTION,
    "app_id",
    "topic_prefix",
    "partitions",
    "replication_factor",
    "clock",
    "time",
    "log_level",
)
OWN_PREFIXES = ("VIEWS_", "REDIS_")


def _redis_url(given: SecretStr) -> SecretStr:
    """Refuse what is no URL of a Redis. The message leaves the URL out: it may hold a password."""
    if not given.get_secret_value().startswith(("redis://", "rediss://")):
        raise ValueError("must begin with redis:// or rediss://")
    return given


class Settings(engine.Settings):
    """The settings of a `views` process. An invalid value is refused at start, by name."""

    foreign: ClassVar[tuple[str, ...]] = tuple(name for name in engine.OTHER_PREFIXES if name not in OWN_PREFIXES)

    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = SecretStr("redis://127.0.0.1:6379/0")
    redis_ca: engine.OptionalFile = None
    views_keep_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    views_keep_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    views_health_host: str = "127.0.0.1"
    views_health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_022

    @property
    def group(self) -> str:
        return group_of(self)


def group_of(settings: engine.Settings) -> str:
    """The consumer group of the views."""
    return f"{settings.app_id}-views"


MEANING = {
    "redis_url": "The Redis that holds the views, `redis://` or `rediss://` (TLS), with `user:password@` where it has "
    "users. Secret.",
    "redis_ca": "File with the certificates (PEM) that Redis's own is checked against; empty: the system's.",
    "views_keep_days": "Days that an account's lists and calls go back. Snapshots and invoices are kept for ever.",
    "views_keep_rows": "Most rows of each list, and most calls, of an account.",
    "views_health_host": "Address of the views' `/metrics`, `/livez` and `/readyz`.",
    "views_health_port": "Port of the views' `/metrics`, `/livez` and `/readyz`; 0 picks a free one, which is logged.",
}


def settings_table(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each setting that the views read. A secret that is set shows as `***`."""
    meaning = {name: engine.MEANING[name] for name in SHARED} | MEANING
    return engine.settings_table(settings, meaning)
