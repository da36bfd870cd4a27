"""The commands: `python -m stream --help`."""

import typer

from stream import dev_broker, explain, replay, topics, worker

app = typer.Typer(
    name="stream",
    help="Charges telephone calls as they happen, exactly once, to the cent, and can say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("worker")(worker.command)
app.command("settings")(worker.settings_command)
app.command("topics")(topics.command)
app.command("replay")(replay.command)
app.command("explain")(explain.command)
app.command("dev-broker")(dev_broker.command)

if __name__ == "__main__":
    app(prog_name="python -m stream")
