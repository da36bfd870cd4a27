"""P18: what the snapshot says was used."""

from typing import Any

import pytest

from tests.rules.story import BOTH, opened, usd


# P18: `usage` costs are net of adjustments, by call type.
def test_p18_costs_by_call_type_are_net_of_adjustments() -> None:
    story = opened(*BOTH, credit=50)
    for call_id, direction in (("c1", "inbound"), ("c2", "outbound"), ("c3", "web"), ("c4", "web")):
        story.starts(call_id, direction=direction).ends(call_id, direction=direction, used=BOTH)
    story.ends("c1", used=BOTH[:1]).reclassifies("c2", real=False).ends("c3", used=BOTH, direction="inbound")
    assert story.snapshot()["usage"]["cost_by_call_type_micros"] == {"inbound": usd(9), "outbound": 0, "web": usd(6)}
    assert story.snapshot()["usage"]["calls_counted"] == 3


# P18: usage is that of the period holding the later of the clock and the newest accepted input.
@pytest.mark.parametrize(
    ("then", "period_start", "counted"),
    [
        (lambda s: s, "2026-01-01T00:00:00Z", 2),
        (lambda s: s.ticks("2026-02-01T00:00:00Z"), "2026-02-01T00:00:00Z", 0),
        (lambda s: s.waits("2026-02-01T00:00:00Z").switches("live_agent"), "2026-02-01T00:00:00Z", 0),
        (lambda s: s.waits("2026-02-01T00:00:00Z").says("redirect-set"), "2026-01-01T00:00:00Z", 2),
        (
            lambda s: s.ticks("2026-02-01T00:00:00Z").ends("c3", started="2026-01-03T00:00:00Z"),
            "2026-02-01T00:00:00Z",
            0,
        ),
    ],
    ids=["as it stands", "a tick", "an input", "a refused input", "a late call"],
)
def test_p18_usage_is_that_of_the_newest_period(then: Any, period_start: str, counted: int) -> None:
    usage = then(opened().calls(2)).snapshot()["usage"]
    assert (usage["period_start"], usage["calls_counted"], usage["calls_included"]) == (period_start, counted, 25)
