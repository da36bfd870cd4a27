"""`tollgate replay EVENTS.jsonl`: applies the rules to a file of inputs, without a broker."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NamedTuple

import orjson
import typer

from agents.wallet.book import Book
from agents.wallet.clock import Timing
from agents.wallet.refused_start import answer_refused_start
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Decision, Refusal, Turn
from schemas.codec import Unreadable, decode_input, read_arrival
from schemas.currencies import CatalogueError
from schemas.facts import encode_fact
from schemas.inputs import AnyInput, ClockTicked
from schemas.plan import Catalogue, load_catalogue

Time = Literal["broker", "ticks"]


class InputLine(NamedTuple):
    """One line of an input file: its number (from 1), its input, its `arrived_at` in epoch milliseconds, its bytes."""

    number: int
    event: AnyInput | Unreadable
    arrived_ms: int | None
    value: bytes


def command(
    events: Annotated[
        str, typer.Argument(metavar="EVENTS.jsonl", help="Inputs, one JSON object a line; - reads stdin.")
    ],
    plans: Annotated[Path | None, typer.Option(help="Use this plan catalogue instead of the shipped one.")] = None,
    currencies: Annotated[
        Path | None, typer.Option(help="Replace entries of the shipped currencies by those of this file.")
    ] = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Write the final account snapshots instead of the published events.")
    ] = False,
    time: Annotated[
        Time,
        typer.Option(help="`ticks` takes the time from the ticks in the file only, as a worker in a simulation does."),
    ] = "broker",
) -> None:
    """Apply the rules to a file of events, without a broker.

    Needs neither Kafka nor Redis. Writes every published event as one JSON line. A rejected line becomes
    {"type": "dead-letter", "code", "message", "line"}, and replay continues with the next line. A recognised repeat
    writes nothing. Signatures and record keys are not checked. `arrived_at` on a line is the time at which the broker
    received the input; an input without it is not checked for `future_time`. Rule G2.
    """
    try:
        catalogue = load_catalogue(plans, currencies)
        with open_inputs(events) as lines:
            book = _book(catalogue, time)
            written = _replay(book, lines)
            for line in _final_snapshots(written, book) if snapshots else written:
                sys.stdout.buffer.write(line + b"\n")
    except (CatalogueError, OSError) as error:
        typer.echo(f"replay: {error}", err=True)
        raise typer.Exit(2) from None


def replay_lines(
    lines: Iterable[bytes], catalogue: Catalogue | None = None, time: Time = "broker"
) -> Iterator[dict[str, Any]]:
    """The facts and dead letters of the inputs, in order, each as the JSON object that `replay` writes."""
    book = _book(catalogue, time)
    for line in _replay(book, lines):
        yield orjson.loads(line)


def snapshot_lines(
    lines: Iterable[bytes], catalogue: Catalogue | None = None, time: Time = "broker"
) -> list[dict[str, Any]]:
    """The final snapshot of each account, by account id."""
    book = _book(catalogue, time)
    return [orjson.loads(line) for line in _final_snapshots(_replay(book, lines), book)]


def open_inputs(events: str) -> BinaryIO:
    return sys.stdin.buffer if events == "-" else Path(events).open("rb")


def read_inputs(lines: Iterable[bytes], *, arrivals: bool = True) -> Iterator[InputLine]:
    """The inputs in order. Blank lines are skipped. With `arrivals`, a line whose `arrived_at` is not a time is
    `schema_invalid`; without, `arrived_at` is ignored.
    """
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line:
            continue
        event = decode_input(line)
        arrived = read_arrival(line) if arrivals and not isinstance(event, Unreadable) else None
        if isinstance(arrived, Unreadable):
            yield InputLine(number, arrived, None, line)
        else:
            yield InputLine(number, event, arrived, line)


def decide_with_due_work(book: Book, event: AnyInput, arrived_ms: int | None) -> Iterator[Decision | Refusal]:
    """Decide an input, then all work that it makes due. A worker does that work between batches; a replay has none."""
    yield book.take(event, arrived_ms)
    if isinstance(event, ClockTicked):
        yield from book.work()


def _book(catalogue: Catalogue | None, time: Time) -> Book:
    return Book(catalogue or load_catalogue(), {}, Timing(by_ticks=time == "ticks"))


def _replay(book: Book, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in read_inputs(lines, arrivals=not book.timing.by_ticks):
        if isinstance(line.event, Unreadable):
            yield from _refuse(book, line, line.event)
            continue
        for decision in decide_with_due_work(book, line.event, line.arrived_ms):
            if isinstance(decision, Refusal):
                yield from _refuse(book, line, decision)
            else:
                yield from map(encode_fact, decision.facts)


def _refuse(book: Book, line: InputLine, refusal: Unreadable | Refusal) -> Iterator[bytes]:
    """The answer to a refused start (rule X2), then the dead letter."""
    for decision in answer_refused_start(book, line.value, (), refusal):
        yield from map(encode_fact, decision.facts)
    yield orjson.dumps({"type": "dead-letter", "code": refusal.code, "message": refusal.message, "line": line.number})


def _final_snapshots(replayed: Iterator[bytes], book: Book) -> Iterator[bytes]:
    """Replay everything, then the snapshot of each account at the last tick."""
    for _ in replayed:
        pass
    for account_id, account, _ in sorted(book.changed_accounts(), key=lambda changed: changed[0]):
        turn = Turn(book, account_id, account, account.changed_by, account.changed_at_ms, book.clock_ms)
        yield encode_fact(take_snapshot(turn))
