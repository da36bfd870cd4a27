"""The command lines of the operator's commands. A command's module is imported only when it is called."""

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NoReturn

import typer

from schemas.instant import to_millis
from stream.repair.failure import run
from stream.settings import Settings

_STATUS = (
    "Exit status: 0 done; 75 the broker does not answer, or a worker took over (try again); 78 a person must change"
    " something; 2 the command line is wrong. The settings are those of the worker (TOLLGATE_ variables)."
)
_DRY_RUN = typer.Option("--dry-run", help="Check everything, report what would be done, and change nothing.")
_REPLACE = typer.Option("--replace", help="Delete the existing changelog and create it again.")
_PLANS = typer.Option("--plans", help="A plan catalogue (TOML) that was in force; repeat the option for each version.")


def _repair(module: str) -> Any:
    return import_module(f"stream.repair.{module}")


def backup(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write; an existing one is replaced.")],
) -> None:
    """Write the state of every partition to one file.

    The backup has the rows of each partition and the offset of its next input. Workers may run: the command reads each
    partition up to the end of a transaction, so rows and offset belong together. It refuses rows that an earlier
    version wrote: run the new worker once first. It needs memory for the rows of the largest partition.
    """
    settings = Settings()
    run(_repair("backup").back_up(settings, to))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` wrote.")],
    replace: Annotated[bool, _REPLACE] = False,
    new_cluster: Annotated[
        bool,
        typer.Option(
            "--new-cluster", help="For a new cluster: the input topic is empty, and workers begin at its first input."
        ),
    ] = False,
    dry_run: Annotated[bool, _DRY_RUN] = False,
) -> None:
    """Write a backup's state into the changelog.

    The rows are written byte for byte. Workers must be stopped.

    The whole file is checked first. The changelog must be missing or empty. If an input after the backup was decided,
    the command refuses: use `rebuild --backup FILE`. Each partition is one transaction: if the command ends early, run
    it again with --replace. It needs memory for three times the rows of the largest partition.
    """
    module = _repair("restore")
    settings = Settings()
    if not new_cluster:
        run(module.restore(settings, file, replace=replace, dry_run=dry_run))
        return
    if replace:
        _refuse("restore", "--new-cluster writes only into a new changelog: leave out --replace")
    with TemporaryDirectory() as directory:
        work = module.restore_elsewhere(settings, file, Path(directory), dry_run=dry_run)
        run(work)


def rebuild(
    from_backup: Annotated[
        Path | None, typer.Option("--backup", metavar="FILE", help="Begin with this backup instead of the first input.")
    ] = None,
    plans: Annotated[list[Path] | None, _PLANS] = None,
    replace: Annotated[bool, _REPLACE] = False,
    letters_gone: Annotated[
        bool,
        typer.Option(
            "--letters-gone",
            help="For inputs whose dead letters are deleted: an input counts as refused if the rules refuse it, or if"
            " none of its events was published.",
        ),
    ] = False,
    dry_run: Annotated[bool, _DRY_RUN] = False,
) -> None:
    """Compute the state again from the inputs.

    The command begins with a backup and the inputs after it, or with the first input. Workers must be stopped.

    Inputs with a dead letter were refused. The command decides all others again by the same rules; every event must
    equal the published one, byte for byte. It writes rows, never events, and only if each account has the balance of
    its last ledger entry. Inputs that no record shows as decided are left to the workers. Without --plans the catalogue
    is TOLLGATE_PLANS or the shipped one. The command needs memory for three times the rows of the largest partition and
    250 bytes for each event that this partition has published, and space for a backup in the directory for temporary
    files.
    """
    module = _repair("rebuild")
    settings = Settings()
    with TemporaryDirectory() as directory:
        work = module.rebuild(
            settings,
            from_backup,
            plans or [],
            Path(directory),
            replace=replace,
            dry_run=dry_run,
            letters_gone=letters_gone,
        )
        run(work)


def skip(
    partition: Annotated[int, typer.Option(help="The record's partition of the input topic.")],
    offset: Annotated[int, typer.Option(min=0, help="The record's offset in the partition.")],
    reason: Annotated[str, typer.Option(help="Why the record is skipped; its dead letter keeps the reason.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Skip the record. Without --yes the command only describes it.")
    ] = False,
) -> None:
    """Skip one record that stops every worker.

    Workers must be stopped.

    The command decides and commits the inputs before the record as a worker does. The record itself has no effect: it
    becomes a dead letter with the code `skipped` and the reason, in one transaction with the offset after it. The
    command prints its address, type and size, never its content. It refuses a record that is already applied.
    """
    module = _repair("skip")
    settings = Settings()
    import_module("stream.log").configure(settings.log_level)
    run(module.skip(settings, partition, offset, reason, yes=yes))


def redrive(
    code: Annotated[
        list[str], typer.Option("--code", help="Send dead letters with this code; repeat the option for each code.")
    ],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only letters written at or after this RFC 3339 time.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only letters written before this RFC 3339 time.")
    ] = None,
    partition: Annotated[int | None, typer.Option(help="Only letters whose input was in this partition.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Send the letters. Without --apply the command only counts them.")
    ] = False,
) -> None:
    """Send dead letters back to the input topic.

    Remove their cause first. Workers may run.

    Key, value, headers and ids are sent unchanged; the key decides the partition. Letters that were cut or emptied, and
    ticks, cannot be sent: the command counts them as left. Running it twice is safe: an input that was accepted the
    first time is a repeat, and one that is refused again becomes a new letter with its new address.

    Exit status: 0 every letter found was sent, or can be; 1 some are left; 75 the broker does not answer (try again);
    78 a person must change something; 2 the command line is wrong. The settings are those of the worker (TOLLGATE_
    variables).
    """
    module = _repair("redrive")
    settings = Settings()
    codes = _codes(code)
    wanted = module.LetterFilter(codes, _millis(since, "--since"), _millis(until, "--until"), partition)
    if not run(module.redrive(settings, wanted, apply=apply)):
        raise typer.Exit(1)


def _codes(given: list[str]) -> frozenset[str]:
    codes = frozenset(name.strip() for name in given)
    known = import_module("stream.ops.metric_table").DEAD_LETTER_CODES
    if unknown := sorted(codes.difference(known)):
        _refuse("redrive", f"--code {unknown[0]!r}: expected one of {', '.join(known)}")
    return codes


def _millis(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _refuse("redrive", f"{option} {text!r}: expected an RFC 3339 time such as 2026-01-31T10:00:00Z")
    return to_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _refuse(command: str, reason: str) -> NoReturn:
    """End with one line: the command line is wrong."""
    typer.echo(f"{command}: {reason}", err=True)
    raise typer.Exit(2) from None


for _command in (backup, restore, rebuild, skip):
    _command.__doc__ = f"{_command.__doc__}\n\n    {_STATUS}"
