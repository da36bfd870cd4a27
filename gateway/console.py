"""The commands of the gateway: `tollgate gateway --help`."""

import typer

from gateway.run import run
from gateway.settings import MEANING, SHARED, Settings
from stream.settings import print_settings

app = typer.Typer(
    name="gateway",
    help="Serve the HTTP API. Without a command: run until stopped.",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def gateway(context: typer.Context) -> None:
    """Serve the HTTP API.

    Without a command it runs until stopped. Settings come from the environment: `tollgate gateway settings` lists them.
    Exit status: 0 stopped by SIGTERM; 75 it passes (try again); 78 a person must change something; 70 a bug.
    """
    if context.invoked_subcommand is None:
        run()


@app.command()
def settings() -> None:
    """Print each setting of the gateway, its value and its meaning; secrets are masked."""
    print_settings(Settings(), MEANING, SHARED)
