"""A whole run: Kafka, Redis, our processes, provider and traffic as children, watched to the end and then audited."""

import asyncio
import logging
import secrets
import signal
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiokafka.errors import KafkaError
from pydantic import SecretStr
from rich.console import Console

from agents.views.settings import Settings
from demo.api import Api
from demo.children import ChildDiedError, tidy
from demo.cluster import delete_topics
from demo.month import Month, play
from demo.plans import plans_of_a_run
from demo.traffic import PLAYED_MS
from devkit.broker import DevBroker
from devkit.kafka_jars import MissingToolError
from devkit.redis import DevRedis
from devkit.server import DevServerError, free_port
from stream.fail_stop import StatusError
from stream.failures import classify
from stream.settings import CONNECTION
from stream.topics import TopicsError

INTERRUPTED = 130  # What a shell reports for a command ended by Ctrl-C.
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The month takes `seconds`. Without `broker_url` the run starts its own broker. With `kill_every` the worker is
    killed and replaced every so many seconds.
    """

    accounts: int
    calls: int
    seconds: float
    seed: int
    broker_url: str | None
    kill_every: float | None = None


def run(options: RunOptions, console: Console) -> int:
    """Returns the exit status: 0 when the audit found nothing, 1 when it did or a process died, 130 when
    interrupted, and that of an error of the broker.
    """
    # The Kafka client logs warnings while a broker stops. They would break up the table, and add nothing: a child that
    # ends because of it is reported with its log.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # SIGTERM and SIGINT both end the run in order; asyncio turns the interrupt into a cancelled task. In the background
    # of a shell SIGINT is ignored, and SIGTERM, which raises it, would be ignored too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    folder = Path(tempfile.mkdtemp(prefix="tollgate-demo-"))
    keep_logs = False
    try:
        return _run(options, console, folder)
    except KeyboardInterrupt:
        console.print("\nstopped; nothing is left running")
        return INTERRUPTED
    except (ChildDiedError, DevServerError, KafkaError, MissingToolError, OSError, StatusError, TopicsError) as error:
        keep_logs = True
        status, line = 1, str(error)
        if isinstance(error, KafkaError):
            failure = classify(error)
            status, line = int(failure.status), failure.line
        console.print(f"\n{line}\n\nlogs: {folder}", style="red", markup=False, highlight=False, soft_wrap=True)
        return status
    finally:
        tidy(folder, keep_logs=keep_logs)


def _run(options: RunOptions, console: Console, folder: Path) -> int:
    with ExitStack() as ending:
        broker: DevBroker | None = None
        if options.broker_url is None:
            broker = DevBroker(folder / "kafka")
            ending.callback(broker.stop)
            with console.status("starting Kafka …"):
                broker.start()
            console.print(f"Kafka answers on {broker.bootstrap}", highlight=False)
        # Always its own: views that find another cluster's keys remove them.
        redis = DevRedis(folder / "redis")
        ending.callback(redis.stop)
        redis.start()
        settings = _settings(options, broker, redis, folder)
        if broker is None:
            ending.callback(lambda: asyncio.run(delete_topics(settings)))
        month = Month(
            settings=settings,
            accounts=options.accounts,
            calls=options.calls,
            seconds=options.seconds,
            seed=options.seed,
            kill_every=options.kill_every,
            api=Api.on_free_ports(folder),
            folder=folder,
            console=console,
            broker=broker,
            redis=redis,
            ending=ending,
        )
        return 1 if asyncio.run(play(month)) else 0


def _settings(options: RunOptions, broker: DevBroker | None, redis: DevRedis, folder: Path) -> Settings:
    """The settings of the environment, with those that a run sets itself: names, signing key, time, plans and port."""
    plans = folder / "plans.toml"
    speed_up = PLAYED_MS / 1_000 / options.seconds
    plans.write_text(plans_of_a_run(speed_up), encoding="utf-8")
    label = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    given = Settings() if options.broker_url is None else Settings(bootstrap_servers=options.broker_url)
    if broker is not None:
        # Its own broker has no users and no TLS.
        plain = {name: Settings.model_fields[name].default for name in CONNECTION}
        given = given.model_copy(update={**plain, "bootstrap_servers": broker.bootstrap})
    return given.model_copy(
        update={
            "app_id": label,
            # On an existing cluster the run has its own topics, so it never answers payment requests of others.
            "topic_prefix": f"{label}." if broker is None else "",
            "signing_keys": SecretStr(secrets.token_hex(16)),
            "clock": "simulation",
            "plans": plans,
            "health_host": LOOPBACK,
            "health_port": free_port(),
            "redis_url": SecretStr(redis.url),
            "redis_ca": None,
            "views_health_host": LOOPBACK,
            "views_health_port": free_port(),
        }
    )
