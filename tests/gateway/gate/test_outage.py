"""The engine is away while calls go on."""

from pathlib import Path

import pytest

from tests.gateway.gate.outage import Outage
from tests.gateway.stage import GatewayStage

# `make outage` has the same for a minute, or for as long as it is told.
SECONDS = 3


@pytest.mark.timeout(600)
def test_calls_that_the_policy_answered_are_decided_and_charged_by_the_engine(
    stage: GatewayStage, tmp_path: Path
) -> None:
    """Over 20 s: two workers in sequence, views, a gateway, and three commands."""
    outage = Outage(stage)
    outage.begin(SECONDS)
    outage.check_answers()
    outage.check_asked_again()
    outage.end()
    outage.check_charges(tmp_path)
