"""`make attack`: workers run under load and faults of workers, broker and group; then all results are checked."""

import logging
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from devkit.broker import DevBroker
from tests.campaign.campaign import run
from tests.campaign.load import LOADS


def main(
    seconds: Annotated[float, typer.Option(help="Duration of the attack on each rule.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of inputs and faults; 0 takes the current time.")] = 0,
    rule: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(LOADS)}. Default: all.")] = None,
) -> None:
    """Attack real workers on their own Kafka. The logs are kept, and their directory is printed."""
    seed = seed or int(time.time())
    # The producer of the load logs each outage many times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    directory = Path(tempfile.mkdtemp(prefix="tollgate-campaign-"))
    print(f"seed {seed}, logs in {directory}", flush=True)
    for name in rule or LOADS:
        (logs := directory / name).mkdir()
        with DevBroker(logs / "kafka") as broker:
            report = run(broker, name, seed, seconds, logs)
        print(f"{name}: every input had exactly one outcome: {report}", flush=True)


if __name__ == "__main__":
    typer.run(main)
