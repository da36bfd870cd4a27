"""The commands of the gateway: `tollgate gateway --help`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.http.key_file import REQUESTS_PER_S
from gateway.http.new_key import add_key
from gateway.http.scopes import ALL
from gateway.run import run
from gateway.settings import MEANING, SHARED, Settings, names_of
from schemas.instant import parse_instant
from stream.settings import print_settings

app = typer.Typer(
    name="gateway",
    help="Serve the HTTP API. Without a command: run until stopped.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def gateway(context: typer.Context) -> None:
    """Serve the HTTP API.

    Without a command it runs until stopped. Settings come from the environment: `tollgate gateway settings` lists them.
    Exit status: 0 stopped by SIGTERM; 75 it passes (try again); 78 a person must change something; 70 a bug.
    """
    if context.invoked_subcommand is None:
        run()


@app.command()
def settings() -> None:
    """Print each setting of the gateway, its value and its meaning; secrets are masked."""
    print_settings(Settings(), MEANING, SHARED)


@app.command()
def key(
    file: Annotated[Path, typer.Argument(envvar="TOLLGATE_API_KEYS", help="The file of keys, made when missing.")],
    scope: Annotated[list[str], typer.Option(help=f"What the key may do, repeatable: {', '.join(sorted(ALL))}.")],
    key_id: Annotated[str, typer.Option("--id", help="Its name in the file and in `actor`. Left out: a new one.")] = "",
    accounts: Annotated[
        list[str] | None, typer.Option(help="Account id, or prefix ending in *, repeatable. Left out: every account.")
    ] = None,
    requests_per_s: Annotated[int, typer.Option(min=1, help="Requests per second, and the burst.")] = REQUESTS_PER_S,
    expires_at: Annotated[str, typer.Option(help="When it ends, RFC 3339: 2027-01-01T00:00:00Z.")] = "",
) -> None:
    """Make a key. It is printed once: the file gets its SHA-256 alone.

    A gateway that runs takes the key within 2 seconds.
    """
    reached = _parts(accounts or ())
    if accounts and not reached:
        # An empty variable of a shell must not become a key to every account.
        raise typer.BadParameter("--accounts names none: leave it out for every account")
    ends_at = None
    if expires_at:
        try:
            ends_at = datetime.fromtimestamp(parse_instant(expires_at) / 1_000, UTC)
        except ValueError as error:
            raise typer.BadParameter(f"--expires-at: {error}") from error
    made_id, text = add_key(
        *(file, _parts(scope)),
        key_id=key_id,
        accounts=reached,
        requests_per_s=requests_per_s,
        expires_at=ends_at,
    )
    typer.echo(f"key {made_id} is in {file}; this is its text, shown once:", err=True)
    typer.echo(text)


def _parts(given: Iterable[str]) -> list[str]:
    """The values of an option that may be given several times, or once with commas."""
    return [name for one in given for name in names_of(one)]
