"""The generated month: repeatable by seed, valid where it should be, with realistic weeks of calls."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random

import msgspec
import pytest

from demo.accounts import draw_accounts
from demo.arrivals import DAILY_WEIGHTS, DAYS, HOURLY_WEIGHTS
from demo.calls import CallShares
from demo.malformed import MAKERS
from demo.ticks import AHEAD_MAX_MS, TICK_EVERY_MS
from demo.traffic import TrafficSettings, records
from demo.wire import Timed, sign
from schemas.codec import Unreadable, decode_input
from schemas.inputs import (
    AccountOpened,
    AnyInput,
    CallEnded,
    CallStarted,
    Input,
    PhoneNumberAdded,
    PlanChangeRequested,
    SubscriptionCancelRequested,
    SubscriptionResumeRequested,
    moves_money,
)
from schemas.instant import DAY_MS, HOUR_MS, Instant, parse_instant
from schemas.partitioning import partition_of

MIDNIGHT_MS = parse_instant("2026-01-05T00:00:00Z")  # A Monday.
KEY = b"a key of the tests"
SETTINGS = TrafficSettings(
    midnight_ms=MIDNIGHT_MS, accounts=120, calls=4_000, partitions=4, signing_key=KEY, malformed=0.01
)
NOTHING_ODD = CallShares(
    spam=0, known_spam=0, late_end=0, end_first=0, start_only=0, end_only=0, contradicted=0, forgotten=0, forked=0
)


def instant(kind: type, value: object) -> object:
    assert kind is Instant
    return parse_instant(value)


DECODER: msgspec.json.Decoder[Input] = msgspec.json.Decoder(AnyInput, dec_hook=instant)


@pytest.fixture(scope="module")
def month() -> list[Timed]:
    return list(records(SETTINGS))


def decoded(month: list[Timed]) -> list[Input]:
    return [DECODER.decode(record.value) for record in month if record.dead_letter is None]


def test_the_same_seed_gives_the_same_records_and_another_seed_others(month: list[Timed]) -> None:
    assert list(records(SETTINGS)) == month
    assert list(records(replace(SETTINGS, seed=2))) != month


def test_more_calls_do_not_change_the_accounts(month: list[Timed]) -> None:
    kinds = ("account-opened", "feature-set", "payment-method-added", "plan-change-requested")
    fewer = records(replace(SETTINGS, calls=10))
    assert [record for record in fewer if record.kind in kinds] == [record for record in month if record.kind in kinds]


def test_records_reach_the_log_in_order_and_within_the_month(month: list[Timed]) -> None:
    assert all(earlier.at_ms <= later.at_ms for earlier, later in pairwise(month))
    assert month[0].at_ms == SETTINGS.begin_ms
    assert month[-1].at_ms <= SETTINGS.end_ms


def test_every_valid_record_passes_the_wire_schema_and_carries_its_key(month: list[Timed]) -> None:
    for record in month:
        if record.dead_letter is None:
            read = decode_input(record.value)
            assert not isinstance(read, Unreadable)
            assert read.account_id.encode() == record.key
            assert read.occurred_at_ms <= record.at_ms


def test_each_partition_ticks_at_least_each_quarter_of_an_hour_to_the_end(month: list[Timed]) -> None:
    ticks = [record for record in month if record.kind == "clock-ticked"]
    assert {record.key for record in ticks} == {b"*"}
    for partition in range(SETTINGS.partitions):
        moments = [record.at_ms for record in ticks if record.partition == partition]
        assert moments[0] == MIDNIGHT_MS
        assert SETTINGS.end_ms - moments[-1] < TICK_EVERY_MS
        assert all(0 < later - earlier <= TICK_EVERY_MS for earlier, later in pairwise(moments))
    assert not [record for record in records(replace(SETTINGS, tick_every_ms=0)) if record.kind == "clock-ticked"]


def test_ticks_are_few_when_idle_and_otherwise_fewer_than_inputs(month: list[Timed]) -> None:
    quiet = Counter(record.kind for record in records(replace(SETTINGS, accounts=0)))
    assert quiet == {"clock-ticked": SETTINGS.partitions * (1 + (SETTINGS.end_ms - MIDNIGHT_MS) // TICK_EVERY_MS)}
    kinds = Counter(record.kind for record in month)
    assert kinds["clock-ticked"] - quiet["clock-ticked"] < kinds.total() - kinds["clock-ticked"]


def test_a_record_is_at_most_three_minutes_ahead_of_its_partitions_clock(month: list[Timed]) -> None:
    clocks: dict[int, int] = dict.fromkeys(range(SETTINGS.partitions), MIDNIGHT_MS)
    for record in month:
        if record.kind == "clock-ticked":
            assert record.partition is not None
            clocks[record.partition] = record.at_ms
        else:
            partition = partition_of(record.key, SETTINGS.partitions) if record.partition is None else record.partition
            assert record.at_ms <= clocks[partition] + AHEAD_MAX_MS


def test_calls_arrive_by_the_hour_of_the_day_and_the_day_of_the_week() -> None:
    settings = replace(SETTINGS, calls=20_000, call=NOTHING_ODD, repeated=0, malformed=0, tick_every_ms=0)
    moments = [read.occurred_at_ms for read in decoded(list(records(settings))) if isinstance(read, CallStarted)]
    assert len(moments) == 20_000
    hours = Counter((moment - MIDNIGHT_MS) % DAY_MS // HOUR_MS for moment in moments)
    for hour, weight in enumerate(HOURLY_WEIGHTS):
        assert hours[hour] == pytest.approx(20_000 * weight / sum(HOURLY_WEIGHTS), rel=0.15, abs=25)
    days = Counter((moment - MIDNIGHT_MS) // DAY_MS for moment in moments)
    assert set(days) == set(range(DAYS))
    weights = [DAILY_WEIGHTS[day % 7] for day in range(DAYS)]
    for day, weight in enumerate(weights):
        assert days[day] == pytest.approx(20_000 * weight / sum(weights), rel=0.15, abs=25)


def test_every_other_account_subscribes_and_each_is_renewed_within_the_month() -> None:
    accounts = draw_accounts(200, "t", MIDNIGHT_MS, Random(1))
    assert sum(account.subscribes for account in accounts) == 100
    assert {account.plan for account in accounts} == {"free", "professional", "dental", "real_estate"}
    renewals = [account.renews_ms(MIDNIGHT_MS) for account in accounts]
    assert all(MIDNIGHT_MS < renews_ms < MIDNIGHT_MS + 31 * DAY_MS for renews_ms in renewals)
    assert len({renews_ms // DAY_MS for renews_ms in renewals}) > 20
    assert all(account.signed_up_ms < SETTINGS.begin_ms for account in accounts)


def test_a_resumption_follows_its_cancellation_before_the_period_ends() -> None:
    month = decoded(list(records(replace(SETTINGS, accounts=1_000, calls=0, tick_every_ms=0))))
    cancelled = {read.account_id: read for read in month if isinstance(read, SubscriptionCancelRequested)}
    resumed = {read.account_id: read for read in month if isinstance(read, SubscriptionResumeRequested)}
    assert len(cancelled) > len(resumed) > 0
    for account, read in resumed.items():
        assert cancelled[account].occurred_at_ms <= read.occurred_at_ms


def test_plans_go_up_and_down_and_owners_leave_the_credits_plan_or_subscribe_again() -> None:
    month = decoded(list(records(replace(SETTINGS, accounts=1_000, calls=0, tick_every_ms=0))))
    plans = {read.account_id: read.plan for read in month if isinstance(read, AccountOpened)}
    changes = {(plans[read.account_id], read.plan) for read in month if isinstance(read, PlanChangeRequested)}
    assert changes >= {("professional", "dental"), ("dental", "professional"), ("free", "professional")}
    assert any(before == after for before, after in changes)


def test_the_accounts_are_in_the_currencies_that_the_plans_have_prices_in(month: list[Timed]) -> None:
    opened = [read for read in decoded(month) if isinstance(read, AccountOpened)]
    assert {(read.plan == "free", read.currency) for read in opened} == {
        (credits_plan, currency) for credits_plan in (True, False) for currency in (None, "EUR")
    }
    dollars = decoded(list(records(replace(SETTINGS, currencies=("USD",)))))
    assert {read.currency for read in dollars if isinstance(read, AccountOpened)} == {None}


def test_some_accounts_pay_less_a_month_than_a_card_can_be_charged(month: list[Timed]) -> None:
    """Their first period ends early in the month, their second within it."""
    fees = {read.account_id: read for read in decoded(month) if isinstance(read, PhoneNumberAdded)}
    small = {account for account, read in fees.items() if read.monthly_fee_micros < 500_000}
    opened = {read.account_id: read for read in decoded(month) if isinstance(read, AccountOpened)}
    assert {opened[account].currency for account in small} == {None, "EUR"}
    assert all(MIDNIGHT_MS - opened[account].occurred_at_ms >= 29 * DAY_MS for account in small)


def test_a_forked_call_has_two_legs_and_one_id() -> None:
    every = replace(NOTHING_ODD, answered=1, forked=1, transferred=0.5)
    month = decoded(list(records(replace(SETTINGS, calls=100, repeated=0, malformed=0, call=every))))
    legs: dict[str, list[CallEnded]] = {}
    for read in month:
        if isinstance(read, CallEnded):
            legs.setdefault(read.call_id, []).append(read)
    assert len(legs) == 100
    assert all({end.leg_id for end in ends} == {"desk", "mobile"} for ends in legs.values())
    answered = Counter(sum(end.answered_at_ms is not None for end in ends) for ends in legs.values())
    assert answered[1] > 25
    assert answered[2] > 25


def test_a_forgotten_call_lasts_longer_than_the_longest_call() -> None:
    every = replace(NOTHING_ODD, answered=1, forgotten=1)
    ends = decoded(list(records(replace(SETTINGS, calls=50, repeated=0, malformed=0, call=every))))
    talked = [r.occurred_at_ms - (r.answered_at_ms or 0) for r in ends if isinstance(r, CallEnded)]
    assert sum(talked_ms > 4 * HOUR_MS for talked_ms in talked) > 45


def test_talk_times_have_a_long_tail(month: list[Timed]) -> None:
    talked_ms = sorted(
        read.occurred_at_ms - read.answered_at_ms
        for read in decoded(month)
        if isinstance(read, CallEnded) and read.answered_at_ms is not None
    )
    median_ms = talked_ms[len(talked_ms) // 2]
    assert 90_000 < median_ms < 140_000
    assert talked_ms[len(talked_ms) * 99 // 100] > 6 * median_ms


def test_accounts_differ_in_size_and_some_pass_the_included_calls(month: list[Timed]) -> None:
    sizes = Counter(read.account_id for read in decoded(month) if isinstance(read, CallStarted)).most_common()
    assert sizes[0][1] > 4 * sizes[len(sizes) // 2][1]
    assert sum(count > 25 for _, count in sizes) > 30


def test_the_share_of_each_kind_is_the_one_configured() -> None:
    every = CallShares(
        answered=1,
        spam=1,
        known_spam=0,
        not_spam_after_all=1,
        end_only=0,
        start_only=0,
        contradicted=1,
        booking=1,
        forked=0,
    )
    settings = replace(SETTINGS, calls=300, call=every, repeated=0, malformed=0.1, tick_every_ms=0)
    month = list(records(settings))
    kinds = Counter(record.kind for record in month)
    assert kinds["call-started"] == 300
    assert kinds["call-ended"] == 600
    assert kinds["call-reclassified"] == 600
    assert kinds["malformed"] == 30
    assert kinds["repeat"] == 0
    assert all(read.features for read in decoded(month) if isinstance(read, CallEnded))
    again = Counter(record.kind for record in records(replace(settings, repeated=1)))
    assert again["repeat"] == len(month) - 30


def test_starts_without_ends_and_ends_without_starts() -> None:
    alone = replace(SETTINGS, calls=100, repeated=0, malformed=0)
    starts = Counter(r.kind for r in records(replace(alone, call=replace(NOTHING_ODD, start_only=1))))
    assert (starts["call-started"], starts["call-ended"]) == (100, 0)
    ends = Counter(r.kind for r in records(replace(alone, call=replace(NOTHING_ODD, end_only=1))))
    assert (ends["call-started"], ends["call-ended"]) == (0, 100)


def test_an_end_may_overtake_its_start() -> None:
    settings = replace(SETTINGS, calls=100, repeated=0, malformed=0, call=replace(NOTHING_ODD, end_first=1))
    seen: set[str] = set()
    for read in decoded(list(records(settings))):
        if isinstance(read, CallEnded):
            seen.add(read.call_id)
        elif isinstance(read, CallStarted):
            assert read.call_id in seen


def test_a_repeat_has_the_bytes_and_the_signature_of_the_first(month: list[Timed]) -> None:
    first = {(record.key, record.value): record.headers for record in month if record.kind != "repeat"}
    repeats = [record for record in month if record.kind == "repeat"]
    assert repeats
    assert all(first[record.key, record.value] == record.headers for record in repeats)


def test_inputs_that_move_money_are_signed(month: list[Timed]) -> None:
    signed = [record for record in month if record.dead_letter is None and moves_money(record.kind)]
    assert {record.kind for record in signed} == {
        "credits-granted",
        "clock-ticked",
    }
    assert all(record.headers == sign(record.value, KEY) for record in signed)
    assert not any(record.headers for record in records(replace(SETTINGS, signing_key=None)))


def test_every_kind_of_malformed_record_occurs_and_has_its_fault(month: list[Timed]) -> None:
    bad = [record for record in month if record.kind == "malformed"]
    assert {record.dead_letter for record in month} == {code for code, _ in MAKERS} | {None}
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


def test_kinds_that_the_settings_cannot_produce_are_left_out() -> None:
    settings = replace(SETTINGS, partitions=1, signing_key=None)
    codes = {record.dead_letter for record in records(settings)}
    assert "wrong_partition" not in codes
    assert "unauthenticated" not in codes


def test_a_month_without_accounts_is_a_month_of_ticks() -> None:
    assert {record.kind for record in records(replace(SETTINGS, accounts=0))} == {"clock-ticked"}
