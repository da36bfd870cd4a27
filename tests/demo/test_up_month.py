"""The month behind the demo accounts of `tollgate up`, decided by the rules in memory."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from backoffice.replay import replay_lines
from demo.provider import Provider, ProviderSettings
from demo.up.history import CREDITS, MINUTES, begin_ms, history
from demo.up.month import month
from demo.wire import Timed
from payments.providers.fake import FakeSettings
from schemas.instant import DAY_MS, HOUR_MS, format_instant, parse_instant
from schemas.partitioning import partition_of
from schemas.plan import load_catalogue

PARTITIONS = 8
LONGEST_MS = 35 * DAY_MS
# A quiet night, the busiest hour, and the first and the last moment of a day; of a leap year.
MOMENTS = (
    1_772_150_400_000,
    1_772_150_399_999,
    1_835_440_496_000,
    1_772_204_400_000,
)


def played(now_ms: int) -> list[Timed]:
    provider = Provider(ProviderSettings(FakeSettings(1), b"key"))
    return list(month(history(now_ms, 1), begin_ms(now_ms), now_ms, load_catalogue(), provider, PARTITIONS))


def as_kafka_has_them(records: list[Timed], now_ms: int) -> Iterator[bytes]:
    """The lines of an export: all arrive at Kafka now; a tick names its partition."""
    for record in records:
        line = orjson.loads(record.value) | {"arrived_at": format_instant(now_ms)}
        if record.partition is not None:
            line["partitions"] = [record.partition]
        yield orjson.dumps(line)


@pytest.fixture(params=MOMENTS, ids=format_instant)
def now_ms(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_kafka_takes_the_whole_month_and_no_payment_waits(now_ms: int) -> None:
    records = played(now_ms)
    events = list(replay_lines(as_kafka_has_them(records, now_ms), partitions=PARTITIONS))
    types = Counter(event["type"] for event in events)
    assert types["dead-letter"] == types["refill-unresolved"] == 0, events
    assert types["call-charged"] > 150
    assert {event["account_id"] for event in events} == {CREDITS, MINUTES}
    requested = {event["payment_id"] for event in events if event["type"] == "payment-requested"}
    answered = Counter(answer["payment_id"] for answer in answers(records))
    late = requested - answered.keys()
    assert set(answered.values()) == {1}
    # A payment of the last minutes may be answered after the month.
    assert all(now_ms - requested_ms(events, payment) < HOUR_MS for payment in late)


def answers(records: list[Timed]) -> list[dict[str, Any]]:
    return [orjson.loads(one.value) for one in records if one.kind in {"payment-succeeded", "payment-declined"}]


def requested_ms(events: list[dict[str, Any]], payment_id: str) -> int:
    return next(parse_instant(one["occurred_at"]) for one in events if one.get("payment_id") == payment_id)


def test_the_month_is_within_35_days_in_order_and_ends_with_a_tick_of_each_partition(now_ms: int) -> None:
    records = played(now_ms)
    times = [record.at_ms for record in records]
    assert times == sorted(times)
    assert now_ms - LONGEST_MS < times[0]
    assert times[-1] == now_ms
    assert {(one.kind, one.at_ms, one.partition) for one in records[-PARTITIONS:]} == {
        ("clock-ticked", now_ms, partition) for partition in range(PARTITIONS)
    }
    for account in (CREDITS, MINUTES):
        place = partition_of(account.encode(), PARTITIONS)
        assert any(one.partition == place for one in records)


def test_no_call_is_open_at_the_end_and_both_accounts_have_something_to_show(now_ms: int) -> None:
    records = played(now_ms)
    started = {orjson.loads(one.value)["call_id"] for one in records if one.kind == "call-started"}
    ended = {orjson.loads(one.value)["call_id"] for one in records if one.kind == "call-ended"}
    assert started == ended
    events = list(replay_lines(as_kafka_has_them(records, now_ms), partitions=PARTITIONS))
    types = {(event["account_id"], event["type"]) for event in events}
    both = {(account, kind) for account in (CREDITS, MINUTES) for kind in ("call-charged", "receipt-issued")}
    assert both | {(CREDITS, "refill-succeeded"), (MINUTES, "invoice-issued"), (MINUTES, "invoice-paid")} <= types


def test_a_refused_input_is_named() -> None:
    """An input that the rules refuse is a fault of the demo: the month would lack it without a word."""
    now_ms = MOMENTS[0]
    wrong = history(now_ms, 1)[:1]
    wrong[0] = wrong[0]._replace(
        value=wrong[0].value.replace(b'"professional"', b'"unknown"').replace(b'"free"', b'"unknown"')
    )
    provider = Provider(ProviderSettings(FakeSettings(1), b"key"))
    with pytest.raises(Exception, match="account-opened: "):
        list(month(wrong, begin_ms(now_ms), now_ms, load_catalogue(), provider, 1))
