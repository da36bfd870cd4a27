"""`tollgate export`: topics as JSON lines, for support, finance and `replay`."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, BinaryIO, NoReturn, cast

import typer

from backoffice.export.inputs import Counts, export_inputs
from backoffice.export.log import Selection
from backoffice.export.outputs import OUTPUTS, export_outputs
from schemas.instant import parse_instant
from schemas.partitioning import partition_of
from stream import rights
from stream.fail_stop import PersonNeededError
from stream.repair.cluster import Cluster
from stream.repair.failure import progress, run
from stream.settings import Settings

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def command(
    account: Annotated[str | None, typer.Option(metavar="ID", help="Only records of this account.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Only records at or after this RFC 3339 time or date (UTC)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Only records before this RFC 3339 time or date (UTC).")
    ] = None,
    topics: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Topics to write. Default: all output topics."),
    ] = None,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Write the accepted inputs instead, for `replay` and `whatif`.")
    ] = False,
    partition: Annotated[int | None, typer.Option(help="Only this partition.")] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="The file to write; - writes to stdout.")
    ] = "-",
) -> None:
    """Write topics as JSON lines, for the other commands.

    Reads committed records only, up to the ends that the topics have when the command starts. --from and --to compare
    the timestamps of the records. The file appears when it is complete. Pseudonyms replace the tokens of payment
    methods. With --inputs, the file has no inputs with a dead letter, and each tick once: `replay` of the file gives
    the events that the workers published. See docs/finance.md.

    Exit status: 0 done; 75 the broker does not answer (try again); 78 a person must change something; 2 the command
    line is wrong. The settings are those of the worker (TOLLGATE_ variables).
    """
    if inputs and topics is not None:
        _refuse("give --inputs or --topics, not both: run the command once for each")
    names = _topics(topics)
    times = _times(since, until)
    _check_folder(output)
    settings = Settings()
    selection = Selection(account, _partition(settings, account, partition), *times)
    run(_export(settings, None if inputs else names, selection, output))


async def _export(settings: Settings, names: tuple[str, ...] | None, selection: Selection, output: str) -> None:
    """Write the topics `names`, or the inputs when it is None."""
    wanted = None if names is None else [settings.topic(name) for name in names]
    needed = rights.export_inputs(settings) if wanted is None else rights.export_events(settings, wanted)
    async with Cluster(settings, needed) as cluster:
        with _opened(output) as file:

            def write(line: bytes) -> None:
                file.write(line + b"\n")

            if names is None:
                _report_inputs(await export_inputs(cluster, selection, write), settings.partitions)
            else:
                counts = await export_outputs(cluster, names, selection, write)
                progress(f"export: {counts.total():,} records" + "".join(f", {counts[n]:,} {n}" for n in names))


def _report_inputs(counts: Counts, partitions: int) -> None:
    progress(f"export: {counts.inputs:,} inputs and {counts.ticks:,} ticks; {counts.refused:,} refused ones left out")
    if counts.uneven:
        progress(
            f"export: not on every partition: {counts.uneven:,} of the ticks; replay with `--partitions {partitions}`,"
            " so that each partition gets only its own ticks"
        )


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    """The file to write. A file takes its name only when it is complete."""
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        made = Path(file.name)
        try:
            yield cast("BinaryIO", file)
        except BaseException:
            made.unlink()
            raise
    made.replace(path)


def _topics(given: str | None) -> tuple[str, ...]:
    names = OUTPUTS if given is None else tuple(dict.fromkeys(name.strip() for name in given.split(",")))
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown:
        _refuse(f"--topics: unknown topic {unknown[0]!r}: expected {', '.join(OUTPUTS)}, or --inputs")
    return names


def _partition(settings: Settings, account: str | None, partition: int | None) -> int | None:
    if partition is not None and not 0 <= partition < settings.partitions:
        _refuse(f"--partition {partition}: expected 0 to {settings.partitions - 1}")
    if account is None:
        return partition
    home = partition_of(account.encode(), settings.partitions)
    if partition not in {None, home}:
        _refuse(f"--partition {partition}: account {account} is in partition {home}")
    return home


def _times(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    from_ms, to_ms = _millis(since, "--from"), _millis(until, "--to")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        _refuse(f"--from {since!r} is not before --to {until!r}")
    return from_ms, to_ms


def _check_folder(output: str) -> None:
    """Raises PersonNeededError before anything is read. `-` counts as a file of the current folder."""
    folder = Path(output).parent
    if not folder.is_dir():
        raise PersonNeededError(f"{folder}: no such directory")


def _millis(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return int(parse_instant(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text))
    except ValueError as error:
        _refuse(f"{option} {text!r}: {error}")


def _refuse(reason: str) -> NoReturn:
    """End with one line: the command line is wrong."""
    typer.echo(f"export: {reason}", err=True)
    raise typer.Exit(2) from None
