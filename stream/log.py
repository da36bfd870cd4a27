"""Logs to standard error, one JSON object per line, our own lines and those of Faust and aiokafka alike."""

import logging
import logging.config
import threading
import time
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# Noisy at level info. Faust logs under `stream` for our subclasses of its classes.
_QUIET = ("aiokafka", "faust", "mode", "stream", "uvicorn")


OURS = "tollgate"
STORM_PAUSE_S = 1.0


class StormFilter(logging.Filter):
    """Passes one line per second of all library output, with the count of lines held back since the last one.

    A client that has lost its broker logs a hundred lines a second, which would hide the line that matters. Our own
    lines always pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._passed_at = -STORM_PAUSE_S
        self._held_back = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == OURS:
            return True
        with self._lock:
            now = time.monotonic()
            if now - self._passed_at < STORM_PAUSE_S:
                self._held_back += 1
                return False
            self._passed_at = now
            if self._held_back:
                record.held_back = self._held_back
            self._held_back = 0
            return True


def logging_config(level: str) -> dict[str, Any]:
    """The standard library's logging configuration, passed to Faust's worker so that it does not make its own."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*_SHARED, structlog.stdlib.ExtraAdder()],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "filters": {"storms": {"()": StormFilter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["storms"],
                "stream": "ext://sys.stderr",
            }
        },
        # The root stays at info: at debug Faust logs a line for each message.
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {
            "tollgate": {"level": level.upper()},
            **{name: {"level": "WARNING"} for name in _QUIET},
        },
    }


def configure(level: str) -> None:
    """Set up logging for this process. `level` applies to our own lines: `info` or `debug`."""
    logging.config.dictConfig(logging_config(level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get(name: str) -> Any:
    """A logger for our own lines. Fields carry ids and units (`partition`, `offset`, `seconds`), never phone numbers,
    and an account id only where a person has to act on that account.
    """
    return structlog.stdlib.get_logger(f"tollgate.{name}")
