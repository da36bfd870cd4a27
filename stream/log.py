"""Logs as one JSON object a line, ours and those of Faust and aiokafka alike, on standard error."""

import logging
import logging.config
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# Chatty at info about things that are not news; `stream` is what Faust says in the name of our subclasses.
_QUIET = ("aiokafka", "faust", "mode", "stream")


def logging_config(level: str) -> dict[str, Any]:
    """The standard library's configuration, given to Faust's worker so that it does not make its own."""
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
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        # The root never falls below info: at debug Faust writes a line for each message.
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {
            "tollgate": {"level": level.upper()},
            **{name: {"level": "WARNING"} for name in _QUIET},
        },
    }


def configure(level: str) -> None:
    """Set up logging for this process. `level` is that of our own lines: `info` or `debug`."""
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
    """A logger of ours. Fields carry ids and units (`partition`, `offset`, `seconds`); never account ids or numbers."""
    return structlog.stdlib.get_logger(f"tollgate.{name}")
