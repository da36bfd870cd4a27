"""Which answers of the broker about the inputs are accepted: no negative lag, and none from a wrong answer."""

import pytest

from stream.offsets import Offsets
from stream.ops.lag import ACCEPT_AFTER_S, SHOWN_FOR_S, LagView


def seen(view: LagView, answer: Offsets, now: float, applied: int | None = None) -> tuple[int | None, int | None]:
    """Lag and committed offset after one more answer."""
    view.update({0: answer}, {} if applied is None else {0: applied}, now)
    progress = view.shown(now)[0]
    return progress.lag, progress.committed


def at(end: int, committed: int, begin: int = 0) -> Offsets:
    return Offsets(begin, end, end, committed)


def test_lag_is_from_the_groups_offset_to_the_end_of_the_log() -> None:
    view = LagView()
    assert seen(view, at(100, 100), 0) == (0, 100)
    assert seen(view, at(180, 100), 2) == (80, 100)
    assert seen(view, at(180, 150), 4) == (30, 150)


def test_a_commit_after_the_end_was_read_is_no_negative_lag() -> None:
    assert seen(LagView(), at(100, 104), 0) == (0, 104)


@pytest.mark.parametrize("wrong", [-1, 0, 40])
def test_an_older_answer_after_a_broker_restart_is_not_accepted_for_a_while(wrong: int) -> None:
    view = LagView()
    assert seen(view, at(19_000, 19_000), 0) == (0, 19_000)
    for now in range(2, int(ACCEPT_AFTER_S), 2):
        assert seen(view, at(19_010, wrong), now) == (10, 19_000)
    assert seen(view, at(19_020, 19_020), ACCEPT_AFTER_S) == (0, 19_020)
    # The next doubt begins anew.
    assert seen(view, at(19_030, wrong), 2 * ACCEPT_AFTER_S) == (10, 19_020)
    assert seen(view, at(19_030, wrong), 3 * ACCEPT_AFTER_S - 1) == (10, 19_020)


def test_the_offsets_this_worker_has_applied_count_whatever_the_group_reports() -> None:
    view = LagView()
    assert seen(view, at(19_000, -1), 0, applied=18_990) == (10, 18_990)
    assert seen(view, at(19_000, 500), 2 * ACCEPT_AFTER_S, applied=18_995) == (5, 18_995)


def test_a_group_set_back_on_purpose_is_accepted_after_a_while() -> None:
    view = LagView()
    seen(view, at(1_000, 900), 0)
    assert seen(view, at(1_000, 300), 2) == (100, 900)
    assert seen(view, at(1_000, 300), 2 + ACCEPT_AFTER_S) == (700, 300)


def test_a_group_without_an_offset_shows_nothing_until_it_is_sure_then_all_that_is_kept() -> None:
    view = LagView()
    assert seen(view, at(1_000, -1, begin=400), 0) == (None, None)
    assert seen(view, at(1_000, -1, begin=400), ACCEPT_AFTER_S) == (600, 400)
    assert seen(view, at(1_010, -1, begin=400), 4 * ACCEPT_AFTER_S) == (610, 400)


def test_input_stands_while_its_last_stable_offset_does_and_records_wait_behind_it() -> None:
    view = LagView()

    def stalled(end: int, last_stable: int, now: float) -> tuple[int, float]:
        view.update({0: Offsets(0, end, last_stable, 0)}, {}, now)
        progress = view.shown(now)[0]
        return progress.undecided, progress.stalled_s(now)

    assert stalled(10, 10, 0) == (0, 0)
    assert stalled(15, 12, 2) == (3, 0)
    assert stalled(20, 12, 9) == (8, 7)
    assert stalled(25, 21, 11) == (4, 0)  # One ended, another one is open: that is traffic, not a standstill.
    assert stalled(25, 21, 21) == (4, 10)
    assert stalled(26, 26, 23) == (0, 0)
    assert stalled(30, 26, 33) == (4, 0)


def test_an_answer_that_has_become_old_is_not_shown() -> None:
    view = LagView()
    assert view.shown(0) == {}
    view.update({0: at(1, 1)}, {}, 5)
    assert set(view.shown(5 + SHOWN_FOR_S)) == {0}
    assert view.shown(6 + SHOWN_FOR_S) == {}
