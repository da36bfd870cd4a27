"""`tollgate report`: the sums of a month, from published events."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Annotated, Literal

import typer

from backoffice.report.books import Books
from backoffice.report.closing import close_month
from backoffice.report.facts import ReportError, read_facts
from backoffice.report.missing import missing, notes
from backoffice.report.month import Month, MonthError, read_month
from backoffice.report.writing import print_tables, write_receipts, write_sums
from schemas.currencies import CatalogueError
from schemas.plan import load_catalogue
from stream.progress import with_progress


def command(
    facts: Annotated[
        str, typer.Argument(metavar="EVENTS.jsonl", help="Published events, as `export` writes them; - reads stdin.")
    ],
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The month to add up.")],
    time_zone: Annotated[str, typer.Option(help="The time zone in which the month begins and ends.")] = "UTC",
    layout: Annotated[Literal["table", "csv"], typer.Option("--format", help="What to write to stdout.")] = "table",
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Also write the sums to this file, as CSV.")
    ] = None,
    receipts: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Also write the month's receipts to this file, to match payouts."),
    ] = None,
    plans: Annotated[Path | None, typer.Option(help="Plan catalogue, instead of the shipped one.")] = None,
) -> None:
    """Add up a month by currency and plan, for the books.

    Sums invoices, calls, card payments and wallets of all accounts, and what is open at the month's end. Needs
    published events only: `charges`, `ledger-entries` and `invoices`, each from its first event, and `alerts` for
    disputes. An event belongs to the month of its `occurred_at`. When events are missing, the command names them,
    prints no sums and exits with status 1. See docs/finance.md.
    """
    try:
        chosen = read_month(month, time_zone)
        books = _read(facts, chosen, plans)
        sums = close_month(books)
        if csv is not None:
            _save(csv, lambda file: write_sums(file, sums, chosen))
        if receipts is not None:
            _save(receipts, lambda file: write_receipts(file, [receipt for _, receipt in books.receipts.values()]))
        (write_sums if layout == "csv" else print_tables)(sys.stdout, sums, chosen)
    except (CatalogueError, MonthError) as error:
        _warn(str(error))
        raise typer.Exit(2) from None
    except ReportError as error:
        _warn(str(error))
        raise typer.Exit(1) from None


def _read(facts: str, month: Month, plans: Path | None) -> Books:
    """The books of all events. Ends the command with a line for each thing that is missing."""
    names = {plan.display_name or plan.tier: name for name, plan in load_catalogue(plans).plans.items()}
    books = Books(month, names)
    with sys.stdin.buffer if facts == "-" else Path(facts).open("rb") as lines:
        for at_ms, fact in read_facts(with_progress(lines, "report")):
            books.add(at_ms, fact)
    wrong = list(missing(books))
    for line in wrong or notes(books):
        _warn(line)
    if wrong:
        raise typer.Exit(1)
    return books


def _save(path: Path, write: Callable[[IO[str]], None]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write(file)


def _warn(message: str) -> None:
    typer.echo(f"report: {message}", err=True)
