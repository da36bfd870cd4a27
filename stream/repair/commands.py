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
    "Exit status: 0 done; 75 the broker is away or a worker took over (try again); 78 a person must change something;"
    " 2 the command line is wrong. Settings are the worker's TOLLGATE_ variables."
)
_DRY_RUN = typer.Option("--dry-run", help="Check everything, report what would be done, and change nothing.")
_REPLACE = typer.Option("--replace", help="Delete the existing changelog and create it again.")
_PLANS = typer.Option("--plans", help="A plan catalogue (TOML) that was in force; repeat it for each version.")


def _repair(module: str) -> Any:
    return import_module(f"stream.repair.{module}")


def backup(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write; an existing one is replaced.")],
) -> None:
    """Write the state of every partition to one file.

    Each partition's state comes with its input offset. Workers may run: each partition is read up to a whole
    transaction, so its rows and its offset belong together. Rows of an earlier version are refused: run the new worker
    once. The command needs memory for the rows of the largest partition.
    """
    settings = Settings()
    run(_repair("backup").back_up(settings, to))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` wrote.")],
    replace: Annotated[bool, _REPLACE] = False,
    new_cluster: Annotated[
        bool, typer.Option("--new-cluster", help="The input topic is new and empty: begin at its first input.")
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
        _refuse("restore", "--new-cluster writes into a new changelog only: leave --replace out")
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

    Inputs with a dead letter were refused. All others are decided again by the same rules, and every event must equal
    the published one, byte for byte. Only rows are written, never events, and only if each account has the balance of
    its last ledger entry. Inputs without evidence of a decision are left to the workers. Without --plans the catalogue
    is TOLLGATE_PLANS or the shipped one. The command needs memory for three times the rows of the largest partition and
    250 bytes for each event that this partition has published, and room for a backup in the directory for temporary
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
    partition: Annotated[int, typer.Option(help="The partition of the input topic.")],
    offset: Annotated[int, typer.Option(help="The record's offset in it.")],
    reason: Annotated[str, typer.Option(help="Why it is skipped; kept in its dead letter.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Skip the record. Without --yes it is described and nothing changes.")
    ] = False,
) -> None:
    """Skip one record that stops every worker.

    Workers must be stopped.

    The inputs before the record are decided and committed as a worker does it. The record itself has no effect: it
    becomes a dead letter with the code `skipped` and the reason, in one transaction with the offset after it. It is
    described by address, type and size, never by its content. A record that is already applied cannot be skipped.
    """
    module = _repair("skip")
    settings = Settings()
    import_module("stream.log").configure(settings.log_level)
    run(module.skip(settings, partition, offset, reason, yes=yes))


def redrive(
    code: Annotated[list[str], typer.Option("--code", help="Letters with this code; repeat it for each code.")],
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Written at or after this RFC 3339 time.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Written before this RFC 3339 time.")] = None,
    partition: Annotated[int | None, typer.Option(help="Only letters whose input was in this partition.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Send the letters. Without --apply they are only counted.")
    ] = False,
) -> None:
    """Send dead letters back to the input topic.

    Remove their cause first. Workers may run.

    Key, value, headers and ids are the original ones; the key decides the partition. Letters that were cut or emptied,
    and ticks, cannot be sent and are counted as left. Running the command twice is safe: an input that was accepted is
    a repeat the second time, and one that is refused again gives a new letter with its new address.

    Exit status: 0 every letter found was sent (or can be); 1 some were left; 75 the broker is away; 78 a setting is
    wrong; 2 the command line is wrong. Settings are the worker's TOLLGATE_ variables.
    """
    module = _repair("redrive")
    settings = Settings()
    codes = frozenset(name.strip() for name in code)
    wanted = module.LetterFilter(codes, _millis(since, "--since"), _millis(until, "--until"), partition)
    if not run(module.redrive(settings, wanted, apply=apply)):
        raise typer.Exit(1)


def _millis(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _refuse("redrive", f"{option} {text!r} is no RFC 3339 time")
    return to_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _refuse(command: str, reason: str) -> NoReturn:
    """End with one line: the command line is wrong."""
    typer.echo(f"{command}: {reason}", err=True)
    raise typer.Exit(2) from None


for _command in (backup, restore, rebuild, skip):
    _command.__doc__ = f"{_command.__doc__}\n\n    {_STATUS}"
