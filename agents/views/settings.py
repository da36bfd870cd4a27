"""The settings of the views: their own TOLLGATE_VIEWS_… variables, those of Redis, and those shared with the worker."""

from typing import Annotated, ClassVar

from pydantic import Field

from stream import redis_connection
from stream import settings as engine

SHARED = (*engine.CONNECTION, "app_id", "topic_prefix", "partitions", "replication_factor", "clock", "log_level")


class Settings(redis_connection.RedisSettings):
    """The settings of a `views` process. An invalid value is refused at start, by name."""

    own_prefixes: ClassVar[tuple[str, ...]] = (*redis_connection.RedisSettings.own_prefixes, "VIEWS_")

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
    **redis_connection.MEANING,
    "views_keep_days": "Days for which lists and calls are kept. Snapshots and invoices are kept for ever.",
    "views_keep_rows": "Maximum number of rows in each list, and of calls, of one account.",
    "views_health_host": "Address of the views' `/metrics`, `/livez` and `/readyz`.",
    "views_health_port": "Port of the views' `/metrics`, `/livez` and `/readyz`. 0 chooses a free port and logs it.",
}
