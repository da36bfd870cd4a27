"""The processes of a stack: their commands, and the settings that each of them needs from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from devkit.server import HOST, free_port


@dataclass(frozen=True, slots=True)
class Part:
    """`command` follows `tollgate`. `health` begins the names of the settings `…_HOST` and `…_PORT` of its health
    page.
    """

    name: str
    command: tuple[str, ...]
    health: str


# In the order in which they start; they stop in the opposite one.
PARTS = (
    Part("worker", ("worker",), "TOLLGATE_HEALTH"),
    Part("payments", ("payments", "run"), "TOLLGATE_PAYMENTS_HEALTH"),
    Part("views", ("views",), "TOLLGATE_VIEWS_HEALTH"),
    Part("gateway", ("gateway",), "TOLLGATE_GATEWAY_HEALTH"),
)
GATEWAY, GATEWAY_CERTIFICATE = "TOLLGATE_GATEWAY", "TOLLGATE_GATEWAY_TLS_CERT"
REDIS = "redis"
NEEDS_REDIS = "views"
NAMES = (REDIS, *(part.name for part in PARTS))


def address(settings: Mapping[str, str], prefix: str) -> tuple[str, int]:
    return settings.get(f"{prefix}_HOST") or HOST, int(settings[f"{prefix}_PORT"])


def url(settings: Mapping[str, str], prefix: str) -> str:
    host, port = address(settings, prefix)
    scheme = "https" if prefix == GATEWAY and settings.get(GATEWAY_CERTIFICATE) else "http"
    return f"{scheme}://{host}:{port}"


def with_ports(given: Mapping[str, str]) -> dict[str, str]:
    """The settings, with a free port for each process that has none. Raises DevServerError when none is free."""
    settings = dict(given)
    for prefix in (GATEWAY, *(part.health for part in PARTS)):
        name = f"{prefix}_PORT"
        if settings.get(name, "0") in {"", "0"}:
            settings[name] = str(free_port())
    return settings
