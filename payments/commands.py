"""The commands of the payment adapter: `tollgate payments --help`."""

import typer

from payments.adapter.run import run
from payments.settings import Settings, settings_table

app = typer.Typer(
    name="payments",
    help="Execute payment requests, each once, and publish the results.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(run)


@app.command()
def settings() -> None:
    """Print each setting of the adapter, its value and its meaning; secrets are masked."""
    for name, value, meaning in settings_table(Settings()):
        typer.echo(f"{name:<40} {value:<20} {meaning}")
