"""`make outage`: the engine is away for a minute or longer while calls are authorized; then everything must add up."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from devkit.broker import DevBroker
from devkit.redis import DevRedis
from tests.gateway.gate.outage import Outage
from tests.gateway.stage import GatewayStage


def main(seconds: Annotated[float, typer.Option(help="How long the engine is away.")] = 60) -> None:
    """Run it on a Kafka and a Redis of its own. The logs are kept, and their directory is printed."""
    directory = Path(tempfile.mkdtemp(prefix="tollgate-outage-"))
    print(f"logs in {directory}", flush=True)
    with DevBroker(directory / "kafka") as broker, DevRedis(directory / "redis") as redis:
        stage = GatewayStage(broker.bootstrap, redis.url, "outage", directory)
        try:
            outage = Outage(stage)
            outage.begin(seconds)
            outage.check_answers()
            outage.check_asked_again()
            outage.end()
            outage.check_charges(directory)
        finally:
            stage.close()
    print(f"{len(outage.answers):,} calls were answered without the engine, then decided and charged once", flush=True)


if __name__ == "__main__":
    typer.run(main)
