"""`tollgate up`: everything on this machine, with two accounts to look at, until it is stopped."""

import os
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from aiokafka.errors import KafkaError

from demo.children import ChildDiedError
from demo.stack.command import WATCH_EVERY_S, report, stop_once
from demo.stack.parts import GATEWAY, NOTIFY, url, usual_ports, with_ports
from demo.stack.stack import API_KEYS, BROKERS, PORTAL_URL, REDIS_URL, SIGNING_KEYS, Stack
from demo.up.data import Data
from demo.up.links import other_lines, page_lines
from demo.up.playing import play_month
from devkit.kafka_jars import DevkitError
from devkit.mail_folder import MailFolder
from devkit.server import HOST, PORT_MAX, can_bind

KAFKA_PORT, REDIS_PORT = 9_092, 6_379
# What the notifier delivers to.
MAILING = """[email]
host = "{host}"
port = {port}
tls = "none"
from = "billing@tollgate.example"
operator = "operator@tollgate.example"

[brand]
portal_url = "{portal_url}"
"""


def command(
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: delete the data of the last run first.")] = False,
    data: Annotated[Path, typer.Option(help="Folder that keeps the data between runs.")] = Path(".tollgate"),
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two live calls, on average.")] = 20.0,
    kafka_port: Annotated[
        int | None,
        typer.Option(
            envvar="STACK_KAFKA_PORT", min=1, max=PORT_MAX, help="Port of Kafka. By default 9092, or else a free one."
        ),
    ] = None,
    redis_port: Annotated[
        int | None,
        typer.Option(
            envvar="STACK_REDIS_PORT", min=1, max=PORT_MAX, help="Port of Redis. By default 6379, or else a free one."
        ),
    ] = None,
) -> None:
    """Run everything here, with two demo accounts, their past month and live calls.

    Starts Kafka, Redis and every process, plays a month of calls at the first start, and prints links to the pages. The
    data stays in a folder after the end. Payments move no money, and mails are written to files. Ctrl-C stops it.
    """
    # In the background of a shell SIGINT is ignored, so both are set.
    signal.signal(signal.SIGINT, stop_once)
    signal.signal(signal.SIGTERM, stop_once)
    folder = data.resolve()
    try:
        kept = Data.opened(folder, fresh=fresh)
        settings = _settings(kept)
        ports = kafka_port or _usual(KAFKA_PORT), redis_port or _usual(REDIS_PORT)
        with _mails(kept, settings[PORTAL_URL]) as mails, _stack(kept, {**settings, **mails}, ports) as stack:
            stack.run("live-calls", "demo", "live", "--every", str(every), given=_caller(stack, kept))
            _run(stack, kept)
    except KeyboardInterrupt:
        report(f"stopped; nothing is left running. The data is in {data}")
    except (ChildDiedError, DevkitError, KafkaError, OSError) as error:
        report(f"{error}\nEverything was stopped. Logs: {folder}")
        raise typer.Exit(1) from error


def _settings(kept: Data) -> dict[str, str]:
    """The settings, with a port for each process. Kafka and Redis are always its own."""
    own = {BROKERS: "", REDIS_URL: "", API_KEYS: str(kept.keys), SIGNING_KEYS: kept.signing_key}
    given = {**os.environ, **own}
    settings = with_ports({**given, **usual_ports(given)})
    return {**settings, PORTAL_URL: settings.get(PORTAL_URL) or url(settings, GATEWAY)}


def _stack(kept: Data, settings: Mapping[str, str], ports: tuple[int | None, int | None]) -> Stack:
    def before(complete: Mapping[str, str]) -> None:
        if not kept.played:
            play_month(complete, kept.folder, report)
            kept.note_played()

    kafka_port, redis_port = ports
    return Stack(kept.folder, settings, progress=report, before=before, kafka_port=kafka_port, redis_port=redis_port)


def _usual(port: int) -> int | None:
    return port if can_bind(port) else None


@contextmanager
def _mails(kept: Data, portal_url: str) -> Iterator[dict[str, str]]:
    """A mail server that writes each mail to a file, and the settings of a notifier that uses it."""
    with MailFolder(kept.mails) as server:
        text = MAILING.format(host=HOST, port=server.port, portal_url=portal_url)
        yield {
            NOTIFY: str(kept.write("notify.toml", text)),
            "TOLLGATE_PORTAL_NOTE": f"This is a trial. No money moves, and mails are files in {kept.mails}.",
        }


def _caller(stack: Stack, kept: Data) -> dict[str, str]:
    return {"GATEWAY_URL": stack.variables["GATEWAY_URL"], "API_KEY": kept.api_key}


def _run(stack: Stack, kept: Data) -> NoReturn:
    variables = stack.variables
    kept.write("variables", "".join(f"{name}={value}\n" for name, value in variables.items()))
    print("\nTollgate is up.\n")
    _show_pages(variables, kept)
    print("\n".join(other_lines(variables, kept.api_key, str(kept.mails))))
    print(f"\nEach page's link opens once, within 15 minutes{_more()}. Ctrl-C stops everything.", flush=True)
    while True:
        stack.check()
        if _asked_for_links(WATCH_EVERY_S):
            _show_pages(variables, kept)


def _show_pages(variables: Mapping[str, str], kept: Data) -> None:
    print("\n".join(page_lines(variables["GATEWAY_URL"], kept.api_key)), flush=True)


def _more() -> str:
    return "; Enter makes new ones" if sys.stdin.isatty() else ""


def _asked_for_links(seconds: float) -> bool:
    """Wait so long. Returns whether somebody has pressed Enter meanwhile."""
    terminal = [sys.stdin] if sys.stdin.isatty() else []
    readable, _, _ = select.select(terminal, [], [], seconds)
    return bool(readable) and bool(sys.stdin.readline())
