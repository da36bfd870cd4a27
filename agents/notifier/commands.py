"""The commands of the notifier: `tollgate notifier --help`."""

from typing import Annotated

import typer

from agents.notifier.run import run
from agents.notifier.settings import MEANING, SHARED, Settings
from agents.notifier.topics import needed
from stream.settings import print_settings
from stream.topic_changes import compare

app = typer.Typer(
    add_completion=False,
    name="notifier",
    help="Send e-mail and webhooks about events. Without a command: run until stopped.",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def notifier(context: typer.Context) -> None:
    """Send e-mail and webhooks about events, to the targets in the file TOLLGATE_NOTIFY.

    Without a command it runs until stopped. Settings come from the environment: `tollgate notifier settings` lists
    them. Exit status: 0 stopped by SIGTERM; 75 a temporary problem (try again); 78 a person must change something;
    70 a bug.
    """
    if context.invoked_subcommand is None:
        run()


@app.command()
def topics(
    apply_changes: Annotated[
        bool, typer.Option("--apply", help="Create missing topics, and apply changes that lose no data.")
    ] = False,
) -> None:
    """Compare the cluster's topics with those that the notifier needs, as `tollgate topics` does for the worker."""
    settings = Settings()
    compare(settings, needed(settings), apply_changes=apply_changes)


@app.command()
def settings() -> None:
    """Print each setting of the notifier, its value and its meaning; secrets are masked."""
    print_settings(Settings(), MEANING, SHARED)
