import json

import pytest

from benchmarks.figures import Figure, as_json, bucket_quantile, quantile, shown


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([3.0, 1.0, 2.0, 4.0], 0.5, 2.0),
        ([1.0], 0.99, 1.0),
        ([float(number) for number in range(1, 101)], 0.99, 99.0),
        ([float(number) for number in range(1, 51)], 0.99, 50.0),
    ],
)
def test_a_quantile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([(1.0, 0.0), (2.0, 10.0), (float("inf"), 10.0)], 0.5, 1.5),
        ([(1.0, 10.0), (2.0, 10.0), (float("inf"), 10.0)], 0.99, 0.99),
        # Beyond the last finite bound only that bound is known.
        ([(1.0, 0.0), (2.0, 0.0), (float("inf"), 10.0)], 0.5, 2.0),
    ],
)
def test_a_histograms_quantile_lies_in_its_bucket(
    buckets: list[tuple[float, float]], share: float, expected: float
) -> None:
    assert bucket_quantile(buckets, share) == pytest.approx(expected)


def test_a_target_holds_by_the_median_of_the_repeats() -> None:
    assert Figure("s", "speed", "events/s", (1.0, 9.0, 10.0), at_least=9.0).holds is True
    assert Figure("s", "speed", "events/s", (1.0, 8.0, 10.0), at_least=9.0).holds is False
    assert Figure("s", "wait", "ms", (1.0, 99.0, 2.0), at_most=2.0).holds is True
    assert Figure("s", "wait", "ms", (3.0,), at_most=2.0).holds is False
    assert Figure("s", "size", "bytes", (3.0,)).holds is None


def test_numbers_show_three_significant_digits() -> None:
    assert [shown(value) for value in (0, 0.4567, 12.345, 123_456.7)] == ["0", "0.457", "12.3", "123,457"]


def test_the_json_has_the_machine_and_whether_targets_hold() -> None:
    written = json.loads(as_json([Figure("s", "speed", "events/s", (2.0, 4.0), at_least=2.5)]))
    assert set(written["machine"]) >= {"cores", "python", "kafka"}
    [figure] = written["figures"]
    assert (figure["value"], figure["holds"], figure["values"]) == (3.0, True, [2.0, 4.0])
