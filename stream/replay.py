"""The same rules without a broker: `python -m stream replay EVENTS.jsonl`."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import orjson
import typer

from agents.wallet.book import Book
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Refusal, Turn
from schemas.account import Account
from schemas.codec import Unreadable, decode_input
from schemas.facts import encode_fact
from schemas.inputs import AnyInput
from schemas.plan import Catalogue, PlanError, load_catalogue


def command(
    events: Annotated[
        str, typer.Argument(metavar="EVENTS.jsonl", help="Inputs, one JSON object a line; - reads stdin.")
    ],
    plans: Annotated[Path | None, typer.Option(help="Use this plan catalogue instead of the shipped one.")] = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Write the final account snapshots, not the facts.")
    ] = False,
) -> None:
    """Run inputs through the rules, with no Kafka and no Redis, and write every fact as one JSON line.

    A line that cannot be taken becomes {"type": "dead-letter", "code", "message", "line"} and the rest goes on. A
    recognised repeat writes nothing. Signatures and record keys are not checked.
    """
    try:
        catalogue = load_catalogue(plans)
        with open_inputs(events) as lines:
            book = Book(catalogue, {})
            written = _replay(book, lines)
            for line in _after(written, book) if snapshots else written:
                sys.stdout.buffer.write(line + b"\n")
    except (PlanError, OSError) as error:
        typer.echo(f"replay: {error}", err=True)
        raise typer.Exit(2) from None


def replay_lines(lines: Iterable[bytes], catalogue: Catalogue | None = None) -> Iterator[dict[str, Any]]:
    """The facts of the inputs in order, dead letters among them, each as the JSON object that `replay` writes."""
    book = Book(catalogue or load_catalogue(), {})
    for line in _replay(book, lines):
        yield orjson.loads(line)


def snapshot_lines(lines: Iterable[bytes], catalogue: Catalogue | None = None) -> list[dict[str, Any]]:
    """The final snapshot of each account, in order of account id."""
    book = Book(catalogue or load_catalogue(), {})
    return [orjson.loads(line) for line in _after(_replay(book, lines), book)]


def open_inputs(events: str) -> BinaryIO:
    return sys.stdin.buffer if events == "-" else Path(events).open("rb")


def read_inputs(lines: Iterable[bytes]) -> Iterator[tuple[int, AnyInput | Unreadable]]:
    """The inputs with their line numbers, from 1. Blank lines are skipped."""
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if line:
            yield number, decode_input(line)


def _replay(book: Book, lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, event in read_inputs(lines):
        if isinstance(event, Unreadable):
            yield _dead_letter(event, number)
            continue
        for decision in book.take(event):
            if isinstance(decision, Refusal):
                yield _dead_letter(decision, number)
            else:
                yield from map(encode_fact, decision.facts)


def _dead_letter(refusal: Unreadable | Refusal, line: int) -> bytes:
    return orjson.dumps({"type": "dead-letter", "code": refusal.code, "message": refusal.message, "line": line})


def _after(replayed: Iterator[bytes], book: Book) -> Iterator[bytes]:
    """The account snapshots once everything is replayed."""
    for _ in replayed:
        pass
    for account_id, account in sorted(book.changed_accounts(), key=lambda pair: pair[0]):
        assert isinstance(account, Account)
        turn = Turn(book, account_id, account, account.changed_by, account.changed_at_ms)
        yield encode_fact(take_snapshot(turn))
