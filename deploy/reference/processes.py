"""The processes whose settings and metrics are on the reference pages: one entry for each."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_settings import BaseSettings

from agents.notifier import metrics as notifier_metrics
from agents.notifier import settings as notifier
from agents.views import metrics as views_metrics
from agents.views import settings as views
from gateway import metrics as http_metrics
from gateway import settings as gateway
from gateway.commands import metrics as command_metrics
from gateway.gate import metrics as gate_metrics
from gateway.streams import metrics as stream_metrics
from payments import settings as payments
from payments.adapter import metrics as payment_metrics
from stream import settings as engine
from stream.ops import metric_table as worker_metrics
from stream.ops.instruments import Meaning


@dataclass(frozen=True, slots=True)
class Process:
    """A process by the name of its section. `shared` are the settings of the worker that it reads besides its own;
    `health` is the beginning of the variables with the address of its metrics.
    """

    name: str
    settings_command: str
    settings: type[BaseSettings]
    meaning: Mapping[str, str]
    metrics: tuple[Meaning, ...]
    health: str
    shared: tuple[str, ...] = ()


PROCESSES = (
    Process("Worker", "tollgate settings", engine.Settings, engine.MEANING, worker_metrics.METRICS, "HEALTH"),
    Process(
        "Payment adapter",
        "tollgate payments settings",
        payments.Settings,
        payments.MEANING,
        payment_metrics.METRICS,
        "PAYMENTS_HEALTH",
        payments.SHARED,
    ),
    Process(
        "Views",
        "tollgate views settings",
        views.Settings,
        views.MEANING,
        views_metrics.METRICS,
        "VIEWS_HEALTH",
        views.SHARED,
    ),
    Process(
        "Notifier",
        "tollgate notifier settings",
        notifier.Settings,
        notifier.MEANING,
        notifier_metrics.METRICS,
        "NOTIFIER_HEALTH",
        notifier.SHARED,
    ),
    Process(
        "Gateway",
        "tollgate gateway settings",
        gateway.Settings,
        gateway.MEANING,
        (*http_metrics.METRICS, *command_metrics.METRICS, *gate_metrics.METRICS, *stream_metrics.METRICS),
        "GATEWAY_HEALTH",
        gateway.SHARED,
    ),
)
