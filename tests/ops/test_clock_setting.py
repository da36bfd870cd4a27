"""TOLLGATE_CLOCK says who writes the ticks, and whether they alone are the time."""

from typing import Any

import pytest

from stream.ops.ticker import Ticker
from stream.rights import worker
from stream.settings import Settings
from stream.topology import build_app

CLOCKS = [
    # clock, the worker ticks, ticks alone are the time
    ("wall", True, False),
    ("none", False, False),
    ("simulation", False, True),
]


@pytest.mark.parametrize(("clock", "worker_ticks", "by_ticks"), CLOCKS)
def test_the_clock_says_who_ticks_and_what_the_time_is(clock: Any, *, worker_ticks: bool, by_ticks: bool) -> None:
    settings = Settings(clock=clock)
    assert settings.simulation is by_ticks
    app = build_app(settings)
    assert any(isinstance(service, Ticker) for service in app._extra_services) is worker_ticks
    assert app.wallets._timing.by_ticks is by_ticks
    written_to_inputs = [right for right in worker(settings) if "writes the time" in right.why]
    assert bool(written_to_inputs) is worker_ticks
