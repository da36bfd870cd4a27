"""The commands: `python -m payments --help`."""

import typer

from payments.run import command
from payments.settings import Settings, settings_table

app = typer.Typer(
    name="payments",
    help="The payment adapter: makes the payments Tollgate asks for, each once, and answers each once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def run() -> None:
    """Answer payment requests until stopped. Settings come from the environment: `python -m payments settings`."""
    command()


@app.command()
def settings() -> None:
    """Print every setting, its value in force and what it means; secrets are masked."""
    for name, value, meaning in settings_table(Settings()):
        typer.echo(f"{name:<40} {value:<20} {meaning}")


if __name__ == "__main__":
    app(prog_name="python -m payments")
