"""The command line, `tollgate`: every command by its name. A command's module is imported only when it is called.

A user's mistake ends in one line on standard error and an exit status, never in a traceback: 75 when no broker answers,
78 when somebody must change something first, 130 after Ctrl-C, 2 when the command line is wrong.
"""

import logging
import os
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup

from devkit.kafka_jars import DevkitError
from schemas.currencies import CatalogueError
from schemas.rows import CorruptRowError
from stream import connection
from stream.fail_stop import Exit, PersonNeededError, StatusError, end_now
from stream.failures import classify
from stream.version import project_version


@dataclass(frozen=True, slots=True)
class Command:
    """`place` is the module and the name in it of the function, or of the Typer app, that is the command."""

    place: str
    help: str


COMMANDS = {
    "worker": Command("stream.worker:command", "Charge calls until stopped."),
    "settings": Command("stream.settings:command", "Print each setting of the worker with its value and meaning."),
    "topics": Command("stream.topic_changes:command", "Compare the cluster's topics with the required ones."),
    "views": Command("agents.views.commands:app", "Keep the views in Redis up to date, for pages and the API."),
    "gateway": Command("gateway.console:app", "Serve the HTTP API."),
    "notifier": Command("agents.notifier.commands:app", "Send e-mail and webhooks about events."),
    "rights": Command("gateway.all_rights:command", "Print the Kafka rights that each process needs, and no more."),
    "payments": Command("payments.commands:app", "Execute payment requests, each once, and publish the results."),
    "replay": Command("backoffice.replay:command", "Apply the rules to a file of inputs, without a broker."),
    "redact": Command("backoffice.redact:command", "Replace people's data in a file of inputs by pseudonyms."),
    "explain": Command("backoffice.explain.command:command", "Explain what a call costs, from the published events."),
    "whatif": Command("backoffice.whatif.command:command", "Compare what the same calls would cost on other plans."),
    "invoice": Command("backoffice.documents.command:app", "List invoices and receipts, and render them as PDF."),
    "report": Command("backoffice.report.command:command", "Add up a month by currency and plan, for the books."),
    "export": Command("backoffice.export.command:command", "Write topics as JSON lines, for the other commands."),
    "backup": Command("stream.repair.commands:backup", "Write the state of every partition to one file."),
    "restore": Command("stream.repair.commands:restore", "Write a backup's state into the changelog."),
    "rebuild": Command("stream.repair.commands:rebuild", "Compute the state again from the inputs."),
    "skip": Command("stream.repair.commands:skip", "Skip one record that stops every worker."),
    "redrive": Command("stream.repair.commands:redrive", "Send dead letters back to the input topic."),
    "dev-broker": Command("devkit.broker:command", "Run a single-node Kafka on this machine, for development."),
    "up": Command(
        "demo.up.command:command", "Run everything here, with two demo accounts, their past month and live calls."
    ),
    "stack": Command("demo.stack.command:command", "Run Kafka, Redis and every process here, for development."),
    "demo": Command("demo.command:app", "Play a month of calls through a real Kafka and check every charge."),
}

# These read files and write lines, and end with their reader as other tools of a pipe do (`| head`). The other commands
# have connections: for them SIGPIPE must stay ignored.
ENDS_WITH_ITS_READER = frozenset({"replay", "redact", "explain", "whatif", "invoice", "report", "settings", "rights"})
# These set up logging themselves and end as their supervisor needs it.
SUPERVISED = frozenset({"worker", "run"})
# In other commands the Kafka client's warnings would hide the one line that names what is wrong.
CHATTY = ("aiokafka", "asyncio")
# Mistakes of users, a broker that fails, data that cannot be trusted. All else is a bug and keeps its traceback.
EXPECTED = (
    CorruptRowError,
    DevkitError,
    KafkaError,
    OSError,
    PersonNeededError,
    CatalogueError,
    StatusError,
    UnicodeError,
    ValidationError,
)


class LazyGroup(TyperGroup):
    """Lists the commands from COMMANDS, and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 Typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 Typer's signature
        known = COMMANDS.get(cmd_name)
        return None if known is None else TyperCommand(cmd_name, help=known.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in COMMANDS else command, rest


app = typer.Typer(
    name="tollgate", cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tollgate {project_version()}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Charges telephone calls as they happen, exactly once, to the cent, and explains every charge."""


def load(name: str) -> Any:
    """The command `name`, its module imported."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    target: Any = getattr(import_module(module), attribute)
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        target.command(name)(function)
    return typer.main.get_command(target)


def run(commands: typer.Typer, name: str) -> NoReturn:
    """Run what `sys.argv` names, one of `commands`, as the program `name`."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if ENDS_WITH_ITS_READER.intersection(words[:2]):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if not SUPERVISED.intersection(words[:2]) and words not in (["views"], ["gateway"], ["notifier"]):
        for chatty in CHATTY:
            logging.getLogger(chatty).setLevel(logging.CRITICAL)
    connection.end_with(lambda error: _end_refused(error, words[0] if words else name))
    try:
        commands(prog_name=name)
    except EXPECTED as error:
        _end_for(error, words[0] if words else name)
    raise AssertionError


def _end_refused(error: connection.RefusedError, command: str) -> NoReturn:
    """End at once: the client retries a refused connection in tasks whose errors nobody sees."""
    typer.echo(f"{command}: {error}", err=True)
    end_now(Exit.PERSON)


def _end_for(error: Exception, command: str) -> NoReturn:
    if isinstance(error, BrokenPipeError):
        # The reader of our output is gone: discard what is still buffered, so that it does not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    if isinstance(error, DevkitError):
        typer.echo(f"{command}: {error}", err=True)
        sys.exit(int(Exit.PERSON))
    failure = classify(error)
    if failure.status is Exit.BUG:
        raise error
    typer.echo(f"{command}: {failure.line}", err=True)
    sys.exit(int(failure.status))


def main() -> NoReturn:
    """The console script `tollgate`, and `python -m tollgate`."""
    run(app, "tollgate")


if __name__ == "__main__":
    main()
