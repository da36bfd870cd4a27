"""`tollgate invoice …`: invoices and receipts as PDF, from the published facts alone. Rule M11."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from backoffice.documents.compose import open_now_micros, page_of
from backoffice.documents.facts import Document
from backoffice.documents.issued import DocumentError, Issued, document_id, find_document, read_issued
from backoffice.documents.issuer import Issuer, IssuerError, Logo, load_issuer
from backoffice.documents.wording import AmountFormat, day, days, local, plain, purpose_of
from stream.progress import with_progress

app = typer.Typer(
    name="invoice",
    help="List invoices and receipts, and render them as PDF. Reads published events: those of the topic `invoices`,"
    " as `export` and `replay` write them.",
    no_args_is_help=True,
    add_completion=False,
)

Facts = Annotated[
    str, typer.Argument(metavar="EVENTS.jsonl", help="Published events, as `export` writes them; - reads stdin.")
]
Account = Annotated[str | None, typer.Option(help="Only documents of this account.")]


@app.command()
def render(
    facts: Facts,
    wanted: Annotated[
        str | None, typer.Argument(metavar="INVOICE_ID|RECEIPT_ID", help="The document to render.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE.pdf", help="The file to write; - writes to stdout.")
    ] = None,
    every: Annotated[
        Path | None,
        typer.Option("--all", metavar="DIR", help="Render all documents into this directory, one folder per account."),
    ] = None,
    issuer: Annotated[
        Path | None,
        typer.Option(envvar="TOLLGATE_ISSUER", metavar="FILE.toml", help="The sender that the documents show."),
    ] = None,
    account: Account = None,
) -> None:
    """Make a PDF of an invoice or a receipt. The same events give the same bytes, on any machine and any day.

    An invoice is shown as paid once the events include its `invoice-paid`. Exit status 1 when a document cannot be
    rendered.
    """
    one = wanted is not None and output is not None
    if one == (every is not None) or (every is not None and (wanted or output)):
        raise typer.BadParameter("give one document and its file (ID -o FILE.pdf), or a directory for all (--all DIR)")
    try:
        sender = load_issuer(issuer)
        if issuer is None:
            _warn(f"no issuer file: the sender is {sender[0].name}; set --issuer FILE.toml or TOLLGATE_ISSUER")
        issued = _read(facts)
        if every is not None:
            _render_all(issued, every, account, sender)
        else:
            assert wanted is not None
            assert output is not None
            _write(output, _pdf(find_document(issued, wanted, account), issued, sender, _warn))
    except (DocumentError, IssuerError) as error:
        _warn(str(error))
        raise typer.Exit(1) from None


@app.command("list")
def list_command(facts: Facts, account: Account = None) -> None:
    """List the invoices with their current status, and the receipts."""
    try:
        issued = _read(facts)
    except DocumentError as error:
        _warn(str(error))
        raise typer.Exit(1) from None
    tables = (
        [("INVOICE", "NUMBER", "PERIOD", "TOTAL", "OPEN", "STATUS"), *_invoice_rows(issued, account)],
        [("RECEIPT", "PAID ON", "PURPOSE", "AMOUNT"), *_receipt_rows(issued, account)],
    )
    typer.echo("\n\n".join(_aligned(rows) for rows in tables))


def _read(facts: str) -> Issued:
    with sys.stdin.buffer if facts == "-" else Path(facts).open("rb") as lines:
        return read_issued(with_progress(lines, "invoice"), _warn)


def _warn(message: str) -> None:
    typer.echo(f"invoice: {message}", err=True)


def _pdf(document: Document, issued: Issued, sender: tuple[Issuer, Logo | None], warn: Callable[[str], None]) -> bytes:
    done = _typeset(page_of(document, issued, *sender))
    if done.remark:
        warn(f"{document_id(document)}: {done.remark}")
    return bytes(done.pdf)


def _typeset(page: Any) -> Any:
    """Typeset a page. Imports the typesetter here, because only rendering needs it."""
    return import_module("backoffice.documents.typeset").typeset(page)


def _write(output: str, pdf: bytes) -> None:
    if output == "-":
        sys.stdout.buffer.write(pdf)
    else:
        Path(output).write_bytes(pdf)


def _render_all(issued: Issued, folder: Path, account: str | None, sender: tuple[Issuer, Logo | None]) -> None:
    """Render every document into its file. Names those that fail and continues with the others."""
    files = _files(issued, folder, account)
    warnings: list[str] = []
    failures = 0
    with typer.progressbar(files.items(), label="Rendering", file=sys.stderr) as shown:
        for path, document in shown:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_pdf(document, issued, sender, warnings.append))
            except (DocumentError, OSError) as error:
                failures += 1
                warnings.append(str(error))
    # Printed after the progress bar, which they would break up.
    for message in warnings:
        _warn(message)
    _warn(f"{len(files) - failures} documents written to {folder}" + (f", {failures} failed" if failures else ""))
    if failures:
        raise typer.Exit(1)


def _files(issued: Issued, folder: Path, account: str | None) -> dict[Path, Document]:
    """Each document by its file. Raises DocumentError when two documents would have the same file."""
    files: dict[Path, Document] = {}
    for document in issued.documents.values():
        if account not in {None, document.account_id}:
            continue
        path = folder / _file_name(document)
        if files.setdefault(path, document) is not document:
            names = f"{document_id(files[path])} and {document_id(document)}"
            raise DocumentError(f"{names} would both be written to {path}: render each one with -o")
    return files


def _file_name(document: Document) -> Path:
    """`ACCOUNT/invoice-3.pdf`: the id, escaped so that the file stays in its folder whatever the id contains."""
    rest = document_id(document).removeprefix(f"{document.account_id}/").replace("/", "-")
    account = quote(document.account_id, safe="+@")
    return Path(account.replace(".", "%2E") if account in {".", ".."} else account, quote(rest, safe="+@") + ".pdf")


def _invoice_rows(issued: Issued, account: str | None) -> Iterator[tuple[str, ...]]:
    for invoice in issued.invoices():
        if account not in {None, invoice.account_id}:
            continue
        money = AmountFormat(invoice.currency, [0])
        open_micros = open_now_micros(invoice, issued.payment_of(invoice))
        period = days(invoice.period_start, invoice.period_end, invoice.time_zone)
        amounts = (money.text(invoice.total_micros), money.text(open_micros))
        yield invoice.invoice_id, plain(invoice.shown_number), period, *amounts, "open" if open_micros > 0 else "paid"


def _receipt_rows(issued: Issued, account: str | None) -> Iterator[tuple[str, ...]]:
    for receipt in issued.receipts():
        if account in {None, receipt.account_id}:
            paid_on = day(local(receipt.occurred_at, receipt.time_zone).date())
            amount = AmountFormat(receipt.currency, [0]).text(receipt.amount_micros)
            yield receipt.receipt_id, paid_on, purpose_of(receipt.purpose), amount


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
