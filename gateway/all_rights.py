"""`tollgate rights`: prints the rights on Kafka of each process, as commands for `kafka-acls.sh` or as a table."""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from agents.notifier import rights as notes
from agents.views import rights as views
from gateway import rights as http
from payments.adapter import rights as adapter
from payments.settings import Settings
from stream.rights import PROCESSES, Kind, Right, Rights
from stream.topics import declared, fact_topics

# By the name of the process or command.
ALL: dict[str, Callable[[Settings], Rights]] = {
    **PROCESSES,
    "gateway": http.gateway,
    "views": views.views,
    "views verify": views.audit,
    "views rebuild": views.audit,
    "notifier": notes.notifier,
    "notifier topics": notes.compare,
    "notifier topics --apply": notes.apply,
    "payments run": adapter.adapter,
    "payments topics": adapter.compare,
    "payments topics --apply": adapter.apply,
}


def table(settings: Settings) -> str:
    """The rights of every process as a table in Markdown, for docs/security.md."""
    events, every = fact_topics(settings), tuple(declared(settings))
    others = _quoted(name for name in every if name not in events)
    lines = [
        f"*The topics of events* are {_quoted(events)}.",
        f"*All of the worker's topics* are these and {others}.",
        "",
        "| process | operation | resource | names | why |",
        "| --- | --- | --- | --- | --- |",
    ]
    # Commands with the same rights have one function and share its lines.
    sharing: dict[Callable[[Settings], Rights], list[str]] = {}
    for process, needed in ALL.items():
        sharing.setdefault(needed, []).append(process)
    for needed, processes in sharing.items():
        for right in needed(settings):
            names = _names(right, events, every)
            lines.append(f"| {_quoted(processes)} | {right.operation.name} | {right.kind} | {names} | {right.why} |")
    return "\n".join(lines)


def _names(right: Right, events: tuple[str, ...], every: tuple[str, ...]) -> str:
    if right.kind is Kind.transactional_id and len(right.names) > 1:
        return f"`{right.names[0]}` … `{right.names[-1]}`"
    if set(right.names) == set(every):
        return "all of the worker's topics"
    if not set(events) <= set(right.names):
        return _quoted(right.names)
    others = [name for name in right.names if name not in events]
    return "the topics of events" + (f", {_quoted(others)}" if others else "")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def acl_command(right: Right, principal: str) -> str:
    """The arguments of `kafka-acls.sh` that grant the right."""
    names = " ".join(f"--{right.kind} {name}" for name in right.names)
    return f"--add --allow-principal {principal} --operation {right.operation.name} {names}"


def command(
    process: Annotated[str, typer.Argument(help=f"One of: {', '.join(ALL)}.")] = "",
    principal: Annotated[
        str, typer.Option(help="The principal that gets the rights: User:NAME, as the broker knows the process.")
    ] = "",
) -> None:
    """Print the Kafka rights that each process needs, and no more.

    With PROCESS: its rights as arguments for kafka-acls.sh, one on each line. Without: a table for all processes. The
    names of topics and groups come from the settings.
    """
    settings = Settings()
    if not process:
        typer.echo(table(settings))
        return
    if process not in ALL:
        raise typer.BadParameter(f"{process!r}: expected one of: {', '.join(ALL)}")
    for right in ALL[process](settings):
        typer.echo(acl_command(right, principal or f"User:{settings.sasl_user or 'NAME'}"))
