"""A short form of `make attack`, with a few of its faults."""

from pathlib import Path

import pytest

from devkit.broker import DevBroker
from tests.campaign.campaign import run
from tests.campaign.load import LOADS


@pytest.mark.parametrize("rule", LOADS)
def test_every_input_has_one_outcome_whatever_happens(rule: str, tmp_path: Path) -> None:
    """15 s of faults, and as long for start and checks. A shorter run would have fewer kinds of faults."""
    with DevBroker(tmp_path / "kafka") as broker:
        report = run(broker, rule, seed=1, seconds=15, directory=tmp_path)
    assert report.faults
    assert report.facts
    assert report.refused
