"""`tollgate explain EVENTS.jsonl CALL_ID`: explains the cost of a call from the published facts alone. Rule G11."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from backoffice.explain.call_history import CallHistory, ExplainError, read_history
from backoffice.explain.check import faults
from backoffice.explain.sections import sections
from backoffice.explain.sentence import sentence
from stream.progress import with_progress

_LABEL_WIDTH = 13


def command(
    facts: Annotated[
        str, typer.Argument(metavar="EVENTS.jsonl", help="Published events, as `export` writes them; - reads stdin.")
    ],
    call_id: Annotated[str, typer.Argument(metavar="CALL_ID", help="The call to explain.")],
    account: Annotated[
        str | None, typer.Option(help="The call's account; required when several accounts have a call with this id.")
    ] = None,
) -> None:
    """Explain what a call costs, from the published events.

    Prints one sentence with the cost and its reasons, then the arithmetic, and checks it. Needs published events only:
    `call-decisions`, `charges`, `alerts` and `ledger-entries`, as `export` and `replay` write them. Exit status 1
    when the file does not have the call, or when something does not add up.
    """
    try:
        with sys.stdin.buffer if facts == "-" else Path(facts).open("rb") as lines:
            history = read_history(_read(with_progress(lines, "explain")), call_id, account)
    except ExplainError as error:
        typer.echo(f"explain: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(explanation(history))
    if faults(history):
        raise typer.Exit(1)


def explain(facts: Iterable[dict[str, Any]], call_id: str, account_id: str | None = None) -> str:
    """The explanation of a call: one plain sentence, then the evidence for it, and everything that does not add up.

    Raises ExplainError when no account, or more than one, has the call in these facts.
    """
    return explanation(read_history(enumerate(facts, start=1), call_id, account_id))


def _read(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The facts of a file with their line numbers. Reports lines that are not a JSON object and skips them."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fact = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            typer.echo(f"explain: line {number} is not JSON and was skipped: {error.msg}", err=True)
            continue
        if isinstance(fact, dict):
            yield number, fact
        else:
            typer.echo(f"explain: line {number} is not a JSON object and was skipped", err=True)


def explanation(history: CallHistory) -> str:
    """The sentence, then the evidence for it."""
    lines = [sentence(history), ""]
    for label, rows in sections(history):
        for number, row in enumerate(rows):
            lines.append(f"{label if number == 0 else '':<{_LABEL_WIDTH}} {row}".rstrip())
    return "\n".join(lines)
