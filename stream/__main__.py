"""The commands: `python -m stream --help`."""

from importlib import import_module
from typing import Any

import typer

from stream import dev_broker, explain, replay, topics, whatif
from stream.documents import command as documents

app = typer.Typer(
    name="stream",
    help="Charges telephone calls as they happen, exactly once, to the cent, and can say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def worker() -> None:
    """Charge calls until stopped. Settings come from the environment: `python -m stream settings`."""
    _worker().command()


@app.command()
def settings() -> None:
    """Print every setting, its value in force and what it means; secrets are masked."""
    _worker().settings_command()


app.command("topics")(topics.command)
app.command("replay")(replay.command)
app.command("explain")(explain.command)
app.command("whatif")(whatif.command)
app.add_typer(documents.app)
app.command("dev-broker")(dev_broker.command)


def _worker() -> Any:
    """The worker, loaded only where it is needed: replay and explain do not wait for Faust."""
    return import_module("stream.worker")


if __name__ == "__main__":
    app(prog_name="python -m stream")
