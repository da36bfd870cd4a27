"""The settings of the notifier: its own TOLLGATE_NOTIF… variables, and those shared with the worker."""

import re
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from stream import settings as engine

SHARED = (
    *engine.CONNECTION,
    *("app_id", "topic_prefix", "partitions", "replication_factor", "plans", "currencies", "clock"),
    *("session_timeout_ms", "log_level"),
)
RETRIES_MAX = 100
RETRY_S_MAX = 30 * DAY_MS // SECOND_MS
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?", re.ASCII)
_AGE = re.compile(r"([0-9]{1,9}) ?([smhd]?)", re.ASCII)
_UNIT_MS = {"": SECOND_MS, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def _retries(given: str) -> str:
    """Check a list of seconds. An empty one means no retry."""
    delays = [part.strip() for part in given.split(",")] if given.strip() else []
    if not all(_SECONDS.fullmatch(one) and Decimal(one) <= RETRY_S_MAX for one in delays):
        raise ValueError(f"must be seconds separated by commas, such as 5,60,600, each at most {RETRY_S_MAX}")
    if len(delays) > RETRIES_MAX:
        raise ValueError(f"has {len(delays)} retries; at most {RETRIES_MAX} are allowed")
    return given


def _age(given: str) -> str:
    if _AGE.fullmatch(given.strip()) is None:
        raise ValueError("must be a number of seconds, or a number with s, m, h or d, such as 24h")
    return given


class Settings(engine.Settings):
    """The settings of a notifier. An invalid value is refused at start, by name."""

    own_prefixes: ClassVar[tuple[str, ...]] = ("NOTIFIER_", "NOTIFY", "ISSUER")

    notify: engine.OptionalFile = None
    notify_templates: engine.OptionalFile = None
    notify_retries_s: Annotated[str, AfterValidator(_retries)] = "5,60,600,3600,21600,86400"
    notify_max_age: Annotated[str, AfterValidator(_age)] = "24h"
    notifier_health_host: str = "127.0.0.1"
    notifier_health_port: Annotated[int, Field(ge=0, le=65_535)] = 8_023
    issuer: engine.OptionalFile = None

    @property
    def group(self) -> str:
        return group_of(self)

    @property
    def retries_ms(self) -> tuple[int, ...]:
        """The delay before each retry."""
        return tuple(int(Decimal(one.strip()) * SECOND_MS) for one in self.notify_retries_s.split(",") if one.strip())

    @property
    def max_age_ms(self) -> int:
        number, unit = _AGE.fullmatch(self.notify_max_age.strip()).groups()  # type: ignore[union-attr]  # checked
        return int(number) * _UNIT_MS[unit]


def group_of(settings: engine.Settings) -> str:
    """The consumer group of the notifier. Another one starts as the first did."""
    return f"{settings.app_id}-notifier"


def rows_topic(settings: engine.Settings) -> str:
    """The topic that holds the notifier's state, so its name must never change."""
    return settings.topic(f"{group_of(settings)}-rows")


MEANING = {
    "notify": "File (TOML) of the targets: mails, webhooks, channels. Must be set. It is read again when it changes.",
    "notify_templates": "Folder of mail templates. Each replaces the shipped template of the same name.",
    "notify_retries_s": "Delays before the retries of a failed attempt, in seconds, separated by commas: one retry "
    "for each number. Empty: no retry.",
    "notify_max_age": "Events older than this are skipped at the very first start: seconds, or a number with `s`, "
    "`m`, `h` or `d`.",
    "notifier_health_host": "Address of the notifier's `/metrics`, `/livez` and `/readyz`.",
    "notifier_health_port": "Port of the notifier's `/metrics`, `/livez` and `/readyz`. 0 chooses a free port and logs "
    "it.",
    "issuer": "File (TOML) of the sender of invoices and receipts, as for `tollgate invoice`. Empty: Tollgate.",
}
