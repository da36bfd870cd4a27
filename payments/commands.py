"""The commands of the payment adapter: `tollgate payments --help`."""

import time
from typing import Annotated

import typer

from payments.adapter.run import run
from payments.adapter.topics import needed
from payments.providers.fake_book import add_entry
from payments.reversal import Kind
from payments.settings import MEANING, SHARED, Settings
from stream.settings import print_settings
from stream.topic_changes import compare

app = typer.Typer(
    name="payments",
    help="Execute payment requests, each once, and publish the results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)


@app.command()
def topics(
    apply_changes: Annotated[
        bool, typer.Option("--apply", help="Create missing topics, and apply changes that lose no data.")
    ] = False,
) -> None:
    """Compare the cluster's topics with those that the adapter needs, as `tollgate topics` does for the worker."""
    settings = Settings()
    compare(settings, needed(settings), apply_changes=apply_changes)


@app.command()
def settings() -> None:
    """Print each setting of the adapter, its value and its meaning; secrets are masked."""
    print_settings(Settings(), MEANING, SHARED)


@app.command()
def fake_reversal(
    payment_id: Annotated[
        str, typer.Argument(help="The payment's id; for `refund_failed` the id of the refund payment.")
    ],
    kind: Annotated[Kind, typer.Argument(help="What happens to its money at the provider.")],
    amount_micros: Annotated[
        int | None, typer.Option(min=1, help="The amount in micros. Default: the whole payment.")
    ] = None,
) -> None:
    """Record a dispute or refund at the fake provider, as a line of the file TOLLGATE_PAYMENTS_FAKE_BOOK.

    The adapter reads it when it next lists disputes and refunds.
    """
    book = Settings().payments_fake_book
    if book is None:
        raise typer.BadParameter("TOLLGATE_PAYMENTS_FAKE_BOOK is not set: set it to the file that the adapter reads")
    try:
        entry = add_entry(book, payment_id, kind, amount_micros, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{entry.kind} {entry.reference} of {entry.payment_id}")
