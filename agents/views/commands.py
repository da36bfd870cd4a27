"""The commands of the views: `tollgate views --help`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import typer

from agents.views.audit import Audit, Result
from agents.views.run import run
from agents.views.settings import MEANING, SHARED, Settings
from agents.views.store import Store
from stream.redis_connection import connect
from stream.settings import print_settings

# How long a command is retried while Redis does not answer.
PATIENCE_S = 10.0

app = typer.Typer(
    name="views",
    help="Keep the views in Redis up to date, for pages and the API. Without a command: run until stopped.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def views(context: typer.Context) -> None:
    """Keep the views in Redis up to date, for pages and the API.

    Without a command it runs until stopped. Settings come from the environment: `tollgate views settings` lists them.
    Exit status: 0 stopped by SIGTERM; 75 a problem that passes (try again); 78 a person must change
    something; 70 a bug.
    """
    if context.invoked_subcommand is None:
        run()


@app.command()
def settings() -> None:
    """Print each setting of the views, its value and its meaning; secrets are masked."""
    print_settings(Settings(), MEANING, SHARED)


@app.command()
def verify() -> None:
    """Compare Redis with the topics, and print keys that differ, are missing or are extra. The views may run.

    Prints `ok N accounts`, or a line for each difference; with differences the exit status is 1.
    """
    result = _audit(Audit.verify)
    for difference in result.differences:
        typer.echo(str(difference))
    if result.differences:
        raise typer.Exit(1)
    typer.echo(f"ok {result.accounts} accounts")


@app.command()
def rebuild() -> None:
    """Write every event to Redis again, then remove what belongs to no event. The views may run, and pages read."""
    result = _audit(Audit.rebuild)
    typer.echo(f"{result.events} events of {result.accounts} accounts were written, {result.removed} parts removed")


def _audit(what: Callable[[Audit], Awaitable[Result]]) -> Result:
    settings = Settings()

    async def audit() -> Result:
        store = Store(connect(settings), PATIENCE_S)
        try:
            await store.checked_run_id()
            async with Audit(settings, store, _report if sys.stderr.isatty() else None) as opened:
                return await what(opened)
        finally:
            await store.close()

    return asyncio.run(audit())


def _report(text: str) -> None:
    typer.echo(text, err=True)
