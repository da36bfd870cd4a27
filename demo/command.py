"""`tollgate demo`: a month of telephone calls through a real Kafka, charged as they happen."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from demo.accounts import CURRENCIES
from demo.plans import unresolved_ms
from demo.provider import Provider, ProviderSettings, fares
from demo.provider_loop import serve
from demo.run import RunOptions, run
from demo.sender import play, write_report
from demo.traffic import PLAYED_MS, TrafficSettings, records
from demo.up import live as live_calls
from schemas.instant import MINUTE_MS, to_millis
from schemas.plan import load_catalogue
from stream.settings import Settings

app = typer.Typer(
    name="demo",
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The default first day; with the seed it determines the traffic.
FIRST_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  # the option's values have no zone either

Accounts = Annotated[
    int, typer.Option(min=1, help="Accounts opened before the month, half on the credits plan, half on minutes plans.")
]
Calls = Annotated[int, typer.Option(min=0, help="Calls of the month.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long the month takes to play.")]
SpeedUp = Annotated[float | None, typer.Option(min=1, help="Virtual seconds per real second, instead of --seconds.")]
Seed = Annotated[int, typer.Option(help="The same seed plays the same month.")]
BrokerUrl = Annotated[
    str | None,
    typer.Option(envvar="BROKER_URL", help="HOST:PORT of a running Kafka. Without it the demo starts its own."),
]
KillEvery = Annotated[
    float | None,
    typer.Option(min=1, help="Every N seconds or so, kill the worker with SIGKILL and start another one."),
]


@app.callback(invoke_without_command=True)
def whole_run(
    context: typer.Context,
    *,
    accounts: Accounts = 300,
    calls: Calls = 20_000,
    seconds: Seconds = 75,
    speed_up: SpeedUp = None,
    seed: Seed = 1,
    broker_url: BrokerUrl = None,
    kill_every: KillEvery = None,
) -> None:
    """Play a month of calls through a real Kafka and check every charge.

    Half of the accounts pay by the call, half subscribe to a plan with minutes.
    The month includes renewals, upgrades, cancellations, invoices and overage.

    Starts a single-node Kafka, a worker, a payment provider that moves no
    money, and the traffic. With BROKER_URL it uses that cluster, with its own
    topics, which it deletes at the end.
    """
    if context.invoked_subcommand is None:
        options = RunOptions(accounts, calls, _seconds(seconds, speed_up), seed, broker_url, kill_every)
        raise typer.Exit(run(options, Console()))


@app.command()
def traffic(
    *,
    accounts: Accounts = 300,
    calls: Calls = 20_000,
    seconds: Seconds = 75,
    speed_up: SpeedUp = None,
    seed: Seed = 1,
    broker_url: BrokerUrl = None,
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first virtual day, UTC.")] = FIRST_DAY,
    report: Annotated[
        Path | None, typer.Option(help="Write to this file how many records of each kind were sent, as JSON.")
    ] = None,
) -> None:
    """Send a month of traffic, with its ticks, to the input topic. TOLLGATE_… settings give the topics and keys.

    Set TOLLGATE_CLOCK=simulation for this command and for the worker: the traffic sends its own ticks.
    """
    settings = _settings(broker_url)
    if not settings.simulation:
        raise typer.BadParameter(
            "the traffic sends its own ticks: set TOLLGATE_CLOCK=simulation, for the worker as well"
        )
    keys = settings.keys()
    offered = load_catalogue(settings.plans, settings.currencies).plans.values()
    traffic_settings = TrafficSettings(
        midnight_ms=to_millis(day.replace(tzinfo=UTC)),
        seed=seed,
        accounts=accounts,
        calls=calls,
        partitions=settings.partitions,
        signing_key=keys[0] if keys else None,
        currencies=tuple(code for code in CURRENCIES if all(plan.priced_in(code) for plan in offered)),
    )
    rate = PLAYED_MS / 1_000 / _seconds(seconds, speed_up)
    kinds = asyncio.run(play(settings, records(traffic_settings), rate))
    if report is not None:
        write_report(kinds, report)
    print(f"{kinds.total()} records sent")


@app.command()
def provider(
    *,
    seconds: Seconds = 75,
    speed_up: SpeedUp = None,
    seed: Seed = 1,
    broker_url: BrokerUrl = None,
) -> None:
    """Answer payment requests like a payment provider, with declines and delays, until SIGTERM or Ctrl-C."""
    settings = _settings(broker_url)
    keys = settings.keys()
    rate = PLAYED_MS / 1_000 / _seconds(seconds, speed_up)
    very_slow_ms = unresolved_ms(rate) + MINUTE_MS
    decisions = Provider(ProviderSettings(fares(seed, very_slow_ms), keys[0] if keys else None))
    asyncio.run(serve(settings, decisions, rate))


@app.command()
def live(
    *,
    gateway_url: Annotated[str, typer.Option(envvar="GATEWAY_URL", help="Address of the gateway.")],
    api_key: Annotated[
        str, typer.Option(envvar="API_KEY", help="A key with the scope `calls`. Prefer the variable to this option.")
    ],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two calls, on average.")] = 20.0,
    seed: Seed = 1,
) -> None:
    """Make calls on the accounts of `tollgate up` over HTTP until SIGTERM or Ctrl-C, then end the open calls."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    asyncio.run(live_calls.run(gateway_url, api_key, every, seed))


def _seconds(seconds: float, speed_up: float | None) -> float:
    return seconds if speed_up is None else PLAYED_MS / 1_000 / speed_up


def _settings(broker_url: str | None) -> Settings:
    return Settings() if broker_url is None else Settings(bootstrap_servers=broker_url)
