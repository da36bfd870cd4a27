"""The processes of a stack: their commands, and the settings that each of them needs from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from devkit.server import HOST, can_bind, free_port


@dataclass(frozen=True, slots=True)
class Part:
    """`command` follows `tollgate`. `health` begins the names of the settings `…_HOST` and `…_PORT` of its health
    page. A part that `needs` a setting is left out without it.
    """

    name: str
    command: tuple[str, ...]
    health: str
    needs: str | None = None


NOTIFY = "TOLLGATE_NOTIFY"
# In the order in which they start; they stop in the opposite one.
PARTS = (
    Part("worker", ("worker",), "TOLLGATE_HEALTH"),
    Part("payments", ("payments", "run"), "TOLLGATE_PAYMENTS_HEALTH"),
    Part("views", ("views",), "TOLLGATE_VIEWS_HEALTH"),
    Part("notifier", ("notifier",), "TOLLGATE_NOTIFIER_HEALTH", needs=NOTIFY),
    Part("gateway", ("gateway",), "TOLLGATE_GATEWAY_HEALTH"),
)
GATEWAY, GATEWAY_CERTIFICATE = "TOLLGATE_GATEWAY", "TOLLGATE_GATEWAY_TLS_CERT"
REDIS = "redis"
NEEDS_REDIS = "views"
NAMES = (REDIS, *(part.name for part in PARTS))
# The ports that the processes have by themselves.
USUAL_PORTS = {
    "TOLLGATE_HEALTH_PORT": 8_011,
    "TOLLGATE_PAYMENTS_HEALTH_PORT": 8_012,
    "TOLLGATE_GATEWAY_PORT": 8_020,
    "TOLLGATE_GATEWAY_HEALTH_PORT": 8_021,
    "TOLLGATE_VIEWS_HEALTH_PORT": 8_022,
    "TOLLGATE_NOTIFIER_HEALTH_PORT": 8_023,
}


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


def usual_ports(given: Mapping[str, str]) -> dict[str, str]:
    """The usual port of each process that has none in `given`, where it is free."""
    return {
        name: str(port) for name, port in USUAL_PORTS.items() if given.get(name, "0") in {"", "0"} and can_bind(port)
    }
