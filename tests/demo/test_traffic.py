"""The generated day: the same for the same seed, readable where it should be, shaped like a day."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from demo.arrivals import HOURLY_WEIGHTS
from demo.calls import CallShares
from demo.malformed import MAKERS
from demo.traffic import TrafficSettings, records
from demo.wire import Timed, sign
from schemas.inputs import AnyInput, CallEnded, CallStarted, Input, moves_money
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS, Instant, parse_instant
from schemas.partitioning import partition_of

MIDNIGHT_MS = parse_instant("2026-01-31T00:00:00Z")
KEY = b"a key of the tests"
SETTINGS = TrafficSettings(
    midnight_ms=MIDNIGHT_MS, accounts=120, calls=4_000, partitions=4, signing_key=KEY, malformed=0.01
)
NOTHING_ODD = CallShares(spam=0, known_spam=0, late_end=0, end_first=0, start_only=0, end_only=0, contradicted=0)


def instant(kind: type, value: object) -> object:
    assert kind is Instant
    return parse_instant(value)


DECODER: msgspec.json.Decoder[Input] = msgspec.json.Decoder(AnyInput, dec_hook=instant)


@pytest.fixture(scope="module")
def day() -> list[Timed]:
    return list(records(SETTINGS))


def understood(day: list[Timed]) -> list[Input]:
    return [DECODER.decode(record.value) for record in day if record.dead_letter is None]


def test_the_same_seed_gives_the_same_records_and_another_seed_others(day: list[Timed]) -> None:
    assert list(records(SETTINGS)) == day
    assert list(records(replace(SETTINGS, seed=2))) != day


def test_more_calls_leave_the_accounts_as_they_were(day: list[Timed]) -> None:
    commands = ("account-opened", "feature-set", "payment-method-added", "credits-purchase-requested")
    fewer = records(replace(SETTINGS, calls=10))
    assert [record for record in fewer if record.kind in commands] == [
        record for record in day if record.kind in commands
    ]


def test_records_reach_the_log_in_order_and_within_the_day(day: list[Timed]) -> None:
    assert all(earlier.at_ms <= later.at_ms for earlier, later in pairwise(day))
    assert day[0].at_ms == SETTINGS.begin_ms
    assert day[-1].at_ms <= SETTINGS.end_ms


def test_every_valid_record_passes_the_wire_schema_and_carries_its_key(day: list[Timed]) -> None:
    for record in day:
        if record.dead_letter is None:
            read = DECODER.decode(record.value)
            assert read.account_id.encode() == record.key
            assert read.occurred_at_ms <= record.at_ms


def test_nothing_happens_more_than_five_minutes_ahead_of_the_clock(day: list[Timed]) -> None:
    """Rule P17: `future_time`."""
    # Before its first tick nothing is ahead of a clock.
    clocks: dict[int, int] = dict.fromkeys(range(SETTINGS.partitions), MIDNIGHT_MS)
    for record in day:
        if record.kind == "clock-ticked":
            assert record.partition is not None
            clocks[record.partition] = record.at_ms
        elif record.dead_letter is None:
            read = DECODER.decode(record.value)
            assert read.occurred_at_ms <= clocks[partition_of(record.key, SETTINGS.partitions)] + 5 * MINUTE_MS


def test_each_partition_gets_a_tick_each_virtual_minute(day: list[Timed]) -> None:
    ticks = [record for record in day if record.kind == "clock-ticked"]
    assert len(ticks) == SETTINGS.partitions * (25 * 60 + 1)
    assert {record.key for record in ticks} == {b"*"}
    assert not [record for record in records(replace(SETTINGS, tick_every_ms=0)) if record.kind == "clock-ticked"]


def test_calls_arrive_by_the_hour_of_day() -> None:
    settings = replace(SETTINGS, calls=20_000, call=NOTHING_ODD, repeated=0, malformed=0, tick_every_ms=0)
    hours = Counter(
        (read.occurred_at_ms - MIDNIGHT_MS) // HOUR_MS
        for read in understood(list(records(settings)))
        if isinstance(read, CallStarted)
    )
    assert hours.total() == 20_000
    for hour, weight in enumerate(HOURLY_WEIGHTS):
        assert hours[hour] == pytest.approx(20_000 * weight / sum(HOURLY_WEIGHTS), rel=0.1, abs=25)


def test_talking_times_have_a_long_tail(day: list[Timed]) -> None:
    talked_ms = sorted(
        read.occurred_at_ms - read.answered_at_ms
        for read in understood(day)
        if isinstance(read, CallEnded) and read.answered_at_ms is not None
    )
    median_ms = talked_ms[len(talked_ms) // 2]
    assert 70_000 < median_ms < 110_000
    assert talked_ms[len(talked_ms) * 99 // 100] > 6 * median_ms


def test_accounts_differ_in_size_and_some_pass_the_included_calls(day: list[Timed]) -> None:
    sizes = Counter(read.account_id for read in understood(day) if isinstance(read, CallStarted)).most_common()
    assert sizes[0][1] > 4 * sizes[len(sizes) // 2][1]
    assert sum(count > 25 for _, count in sizes) > 30


def test_the_share_of_each_kind_is_the_one_configured() -> None:
    every = CallShares(
        answered=1, spam=1, known_spam=0, not_spam_after_all=1, end_only=0, start_only=0, contradicted=1, booking=1
    )
    settings = replace(SETTINGS, calls=300, call=every, repeated=0, malformed=0.1, tick_every_ms=0)
    day = list(records(settings))
    kinds = Counter(record.kind for record in day)
    assert kinds["call-started"] == 300
    assert kinds["call-ended"] == 600
    assert kinds["call-reclassified"] == 600
    assert kinds["malformed"] == 30
    assert kinds["repeat"] == 0
    assert all(read.features for read in understood(day) if isinstance(read, CallEnded))
    again = Counter(record.kind for record in records(replace(settings, repeated=1)))
    assert again["repeat"] == len(day) - 30


def test_starts_without_ends_and_ends_without_starts() -> None:
    alone = replace(SETTINGS, calls=100, repeated=0, malformed=0)
    starts = Counter(r.kind for r in records(replace(alone, call=replace(NOTHING_ODD, start_only=1))))
    assert (starts["call-started"], starts["call-ended"]) == (100, 0)
    ends = Counter(r.kind for r in records(replace(alone, call=replace(NOTHING_ODD, end_only=1))))
    assert (ends["call-started"], ends["call-ended"]) == (0, 100)


def test_an_end_may_overtake_its_start() -> None:
    settings = replace(SETTINGS, calls=100, repeated=0, malformed=0, call=replace(NOTHING_ODD, end_first=1))
    seen: set[str] = set()
    for read in understood(list(records(settings))):
        if isinstance(read, CallEnded):
            seen.add(read.call_id)
        elif isinstance(read, CallStarted):
            assert read.call_id in seen


def test_a_repeat_has_the_bytes_and_the_signature_of_the_first(day: list[Timed]) -> None:
    first = {(record.key, record.value): record.headers for record in day if record.kind != "repeat"}
    repeats = [record for record in day if record.kind == "repeat"]
    assert repeats
    assert all(first[record.key, record.value] == record.headers for record in repeats)


def test_what_moves_money_is_signed(day: list[Timed]) -> None:
    signed = [record for record in day if record.dead_letter is None and moves_money(record.kind)]
    assert {record.kind for record in signed} == {"payment-method-added", "credits-granted"}
    assert all(record.headers == sign(record.value, KEY) for record in signed)
    assert not any(record.headers for record in records(replace(SETTINGS, signing_key=None)))


def test_malformed_records_are_those_of_the_catalogue_and_none_reads_well(day: list[Timed]) -> None:
    bad = [record for record in day if record.kind == "malformed"]
    assert {record.dead_letter for record in day} == {code for code, _ in MAKERS} | {None}
    unreadable = {"malformed_json", "not_utf8", "not_an_object", "schema_invalid", "unknown_type"}
    for record in bad:
        if record.dead_letter in unreadable:
            with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
                DECODER.decode(record.value.decode())
        elif record.dead_letter == "wrong_partition":
            assert record.partition != partition_of(record.key, SETTINGS.partitions)
        elif record.dead_letter == "too_large":
            assert len(record.value) > 65_536
        elif record.dead_letter == "future_time":
            assert DECODER.decode(record.value).occurred_at_ms == record.at_ms + DAY_MS
        elif record.dead_letter == "key_mismatch":
            assert DECODER.decode(record.value).account_id.encode() != record.key


def test_a_set_up_without_keys_or_with_one_partition_leaves_out_what_it_cannot_show() -> None:
    settings = replace(SETTINGS, partitions=1, signing_key=None)
    codes = {record.dead_letter for record in records(settings)}
    assert "wrong_partition" not in codes
    assert "unauthenticated" not in codes


def test_a_day_without_accounts_is_a_day_of_ticks() -> None:
    assert {record.kind for record in records(replace(SETTINGS, accounts=0))} == {"clock-ticked"}
