"""`tollgate replay INPUTS.jsonl`: applies the rules to a file of inputs, without a broker."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NamedTuple

import msgspec
import orjson
import typer

from agents.wallet.book import Book
from agents.wallet.clock import Timing
from agents.wallet.refused_start import answer_refused_start
from agents.wallet.snapshot import take_snapshot
from agents.wallet.turn import Decision, Refusal, Turn
from schemas.codec import Unreadable, decode_input, flat_input, read_arrival
from schemas.currencies import CatalogueError
from schemas.facts import encode_fact
from schemas.inputs import AnyInput, ClockTicked
from schemas.instant import format_instant
from schemas.partitioning import partition_of
from schemas.plan import Catalogue, load_catalogue
from stream.progress import with_progress

Time = Literal["broker", "ticks"]


class InputLine(NamedTuple):
    """One line of an input file: its number (from 1), its input, its `arrived_at` in epoch milliseconds, its bytes."""

    number: int
    event: AnyInput | Unreadable
    arrived_ms: int | None
    value: bytes


def command(
    events: Annotated[
        str, typer.Argument(metavar="INPUTS.jsonl", help="Inputs, as `export --inputs` writes them; - reads stdin.")
    ],
    plans: Annotated[Path | None, typer.Option(help="Use this plan catalogue instead of the shipped one.")] = None,
    currencies: Annotated[Path | None, typer.Option(help="Currencies whose entries replace the shipped ones.")] = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Write the final account snapshots instead of the published events.")
    ] = False,
    time: Annotated[
        Time,
        typer.Option(help="`ticks`: only the ticks in the file define the time, as in a simulation."),
    ] = "broker",
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of partitions; each has the time of its own ticks.")
    ] = 1,
) -> None:
    """Apply the rules to a file of inputs, without a broker.

    Needs neither Kafka nor Redis. Writes each published event as one JSON line. A refused line becomes
    {"type": "dead-letter", "code", "message", "line"}, and replay continues with the next line. A recognised repeat
    writes nothing. Replay does not check signatures and record keys. `arrived_at` on a line is the time at which the
    broker received the input; an input without it is not checked for `future_time`. Rule G2.

    Only ticks advance time: without `clock-ticked` lines no renewal, invoice or retry happens. The summary on standard
    error counts inputs, events, dead letters by code, and recognised repeats.

    A tick applies to all accounts. With --partitions, a tick that has a list `partitions`, as `export --inputs` writes
    it, applies only to the accounts of these partitions.
    """
    try:
        books = Books(load_catalogue(plans, currencies), time, partitions)
        with open_inputs(events) as lines:
            _write(books, with_progress(lines, "replay"), snapshots=snapshots)
    except CatalogueError as error:
        typer.echo(f"replay: {error}", err=True)
        raise typer.Exit(2) from None


def _write(books: "Books", lines: Iterable[bytes], *, snapshots: bool) -> None:
    """Write the events, or the snapshots, to standard output, then the summary to standard error."""
    written = _replay(books, lines)
    for line in _final_snapshots(written, books) if snapshots else written:
        sys.stdout.buffer.write(line + b"\n")
    sys.stdout.flush()
    for text in books.tally.summary():
        typer.echo(f"replay: {text}", err=True)


class Tally:
    """What a replay has read and decided."""

    def __init__(self) -> None:
        self.inputs = self.ticks = self.events = self.repeats = 0
        self.last_tick_ms: int | None = None
        self.letters: Counter[str] = Counter()

    def count_tick(self, at_ms: int) -> None:
        """Count an accepted tick at `at_ms`."""
        self.ticks += 1
        self.last_tick_ms = max(at_ms, self.last_tick_ms or 0)

    def summary(self) -> Iterator[str]:
        """The numbers in one line, and a second one when no tick let time pass."""
        ticks, letters, repeats = "", "", ""
        if self.last_tick_ms is not None:
            ticks = f" ({_number(self.ticks, 'tick')}, up to {format_instant(self.last_tick_ms)})"
        if self.letters:
            letters = f" ({', '.join(f'{count:,} {code}' for code, count in sorted(self.letters.items()))})"
        if self.repeats:
            repeats = ", recognised and without effect"
        yield (
            f"{_number(self.inputs, 'input')}{ticks}, {_number(self.events, 'event')},"
            f" {_number(self.letters.total(), 'dead letter')}{letters}, {_number(self.repeats, 'repeat')}{repeats}"
        )
        if self.inputs and not self.ticks:
            yield "no `clock-ticked` line was accepted: without ticks no renewal, invoice or retry happens"


def _number(count: int, of: str) -> str:
    return f"{count:,} {of}{'' if count == 1 else 's'}"


class Books:
    """The books of a replay: one for all accounts, or one for the accounts of each partition of the log."""

    def __init__(self, catalogue: Catalogue | None, time: Time, partitions: int = 1) -> None:
        self.timing = Timing(by_ticks=time == "ticks")
        used = catalogue or load_catalogue()
        self.all = tuple(Book(used, {}, self.timing) for _ in range(partitions))
        self.tally = Tally()

    def of(self, line: InputLine) -> Sequence[Book]:
        """The books that a line is for: that of its account, those of a tick."""
        if len(self.all) == 1:
            return self.all
        if isinstance(line.event, ClockTicked):
            named = _partitions_of(line.value)
            return self.all if named is None else [self.all[number] for number in named if number < len(self.all)]
        if isinstance(line.event, Unreadable):
            account_id = str((flat_input(line.value) or {}).get("account_id"))
        else:
            account_id = line.event.account_id
        return (self.all[partition_of(account_id.encode("utf-8", "replace"), len(self.all))],)


class _Partitions(msgspec.Struct):
    partitions: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] | None = None


_partitions_decoder = msgspec.json.Decoder(_Partitions)


def _partitions_of(line: bytes) -> tuple[int, ...] | None:
    """The partitions that a tick names. Anything but a list of numbers is a field that nobody knows, and ignored."""
    try:
        return _partitions_decoder.decode(line).partitions
    except msgspec.ValidationError:
        return None


def replay_lines(
    lines: Iterable[bytes], catalogue: Catalogue | None = None, time: Time = "broker", partitions: int = 1
) -> Iterator[dict[str, Any]]:
    """The facts and dead letters of the inputs, in order, each as the JSON object that `replay` writes."""
    for line in _replay(Books(catalogue, time, partitions), lines):
        yield orjson.loads(line)


def snapshot_lines(
    lines: Iterable[bytes], catalogue: Catalogue | None = None, time: Time = "broker"
) -> list[dict[str, Any]]:
    """The final snapshot of each account, by account id."""
    books = Books(catalogue, time)
    return [orjson.loads(line) for line in _final_snapshots(_replay(books, lines), books)]


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


def _replay(books: Books, lines: Iterable[bytes]) -> Iterator[bytes]:
    tally = books.tally
    for line in read_inputs(lines, arrivals=not books.timing.by_ticks):
        tally.inputs += 1
        repeated = accepted = False
        for book in books.of(line):
            for decision in _decide(book, line):
                if isinstance(decision, Decision):
                    repeated |= decision.repeat
                    accepted |= not decision.repeat
                    tally.events += len(decision.facts)
                    yield from map(encode_fact, decision.facts)
                else:
                    tally.letters[decision.code] += 1
                    yield _dead_letter(decision, line.number)
        # A tick is for several books, and a repeat only where none of them has a use for it.
        tally.repeats += repeated and not accepted
        if accepted and isinstance(line.event, ClockTicked):
            tally.count_tick(line.event.occurred_at_ms)


def _decide(book: Book, line: InputLine) -> Iterator[Decision | Refusal | Unreadable]:
    if isinstance(line.event, Unreadable):
        yield from _refuse(book, line, line.event)
        return
    for decision in decide_with_due_work(book, line.event, line.arrived_ms):
        if isinstance(decision, Refusal):
            yield from _refuse(book, line, decision)
        else:
            yield decision


def _refuse(book: Book, line: InputLine, refusal: Unreadable | Refusal) -> Iterator[Decision | Refusal | Unreadable]:
    """The answer to a refused start (rule X2), then the refusal."""
    yield from answer_refused_start(book, line.value, (), refusal)
    yield refusal


def _dead_letter(refusal: Unreadable | Refusal, number: int) -> bytes:
    return orjson.dumps({"type": "dead-letter", "code": refusal.code, "message": refusal.message, "line": number})


def _final_snapshots(replayed: Iterator[bytes], books: Books) -> Iterator[bytes]:
    """Replay everything, then the snapshot of each account at the last tick."""
    for _ in replayed:
        pass
    changed = [(account_id, account, book) for book in books.all for account_id, account, _ in book.changed_accounts()]
    for account_id, account, book in sorted(changed, key=lambda one: one[0]):
        turn = Turn(book, account_id, account, account.changed_by, account.changed_at_ms, book.clock_ms)
        yield encode_fact(take_snapshot(turn))
