"""Whether the machine's clock agrees with the broker's, from answers and records. Milliseconds."""

import pytest

from stream.ops.wall_clock import RECHECK_AFTER_S, WallClock

NOW = 1_767_225_600_000


def shown(wall: WallClock) -> tuple[int, bool | None]:
    return wall.ahead_ms, wall.agrees


# Sent and acknowledged by the wall clock, and the broker's timestamp between -> ahead, and whether they agree.
@pytest.mark.parametrize(
    ("sent", "broker", "acked", "ahead_ms", "agrees"),
    [
        (0, 10, 20, 0, True),
        (0, 0, 0, 0, True),
        # The record waited long for the broker, or for the answer: the clock is not wrong.
        (0, 29_000, 30_000, 0, True),
        (0, 10, 30_000, 0, True),
        (5_000, 0, 5_010, 5_000, True),
        (5_001, 0, 5_010, 5_001, False),
        (0, 5_010, 10, -5_000, True),
        (0, 5_011, 10, -5_001, False),
        (3_600_000, 0, 3_600_050, 3_600_000, False),
    ],
)
def test_g02_what_an_answer_shows(sent: int, broker: int, acked: int, ahead_ms: int, *, agrees: bool) -> None:
    wall = WallClock()
    assert shown(wall) == (0, None)
    wall.acknowledged(NOW + sent, NOW + broker, NOW + acked, 100.0)
    assert shown(wall) == (ahead_ms, agrees)


def test_g02_a_record_from_the_future_shows_a_clock_that_is_behind() -> None:
    wall = WallClock()
    wall.check(100.0, NOW, NOW + 5_000)
    assert shown(wall) == (0, None)
    wall.check(101.0, NOW + 1_000, NOW + 6_001)
    assert shown(wall) == (-5_001, False)
    # Old records show nothing: they may have waited.
    wall = WallClock()
    wall.check(100.0, NOW, NOW - 86_400_000)
    assert shown(wall) == (0, None)


# Seconds on, and how far the wall clock was set meanwhile (ms): unknown again, or still wrong.
@pytest.mark.parametrize(
    ("later_s", "set_ms", "agrees"),
    [
        (1.0, 0, False),
        (1.0, 900, False),
        (1.0, -3_600_000, None),
        (1.0, 2_000, None),
        (RECHECK_AFTER_S, 0, False),
        (RECHECK_AFTER_S + 1, 0, None),
    ],
)
def test_g02_it_checks_again_when_the_clock_was_set_or_after_a_while(
    later_s: float, set_ms: int, agrees: bool | None
) -> None:
    wall = WallClock()
    wall.acknowledged(NOW, NOW - 3_600_000, NOW, 100.0)
    wall.check(100.0 + later_s, NOW + int(later_s * 1_000) + set_ms, None)
    assert wall.agrees is agrees
