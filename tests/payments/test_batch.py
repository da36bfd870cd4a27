"""What one transaction of the adapter changes: each payment is opened once and answered once, whatever is repeated."""

import pytest
from msgspec.json import encode

from payments.batch import Batch, WebhookNote
from payments.outcome import Declined, Pending, Succeeded
from payments.payment import Payment
from payments.schedule import Schedule
from schemas.instant import DAY_MS
from schemas.partitioning import partition_of
from tests.payments.requests import PARTITIONS, REQUESTED_MS, Record, refund, request

NOW_MS = REQUESTED_MS + 5_000
HOME = partition_of(b"a-1", PARTITIONS)


def take(batch: Batch, value: bytes | None, key: bytes | None = b"a-1", timestamp: int = REQUESTED_MS) -> str | None:
    return batch.request(Record(key, value, timestamp=timestamp), HOME, PARTITIONS)


def committed(rows: dict[str, Payment], batch: Batch) -> list[Payment]:
    """Apply a batch as its commit would; returns the answers it wrote."""
    for payment_id, changed in batch.changed.items():
        assert changed is not None
        rows[payment_id] = changed
    return batch.answered


def row(batch: Batch, payment_id: str) -> Payment:
    found = batch.get(payment_id)
    assert found is not None
    return found


def note(payment_id: str) -> bytes:
    return encode(WebhookNote(payment_id, "a-1", "payment_intent.succeeded"))


def test_a_request_seen_again_opens_nothing_whether_open_or_answered() -> None:
    rows: dict[str, Payment] = {}
    batch = Batch(rows, NOW_MS)
    assert take(batch, request("p1")) is None
    assert take(batch, request("p1")) is None
    assert committed(rows, batch) == []
    again = Batch(rows, NOW_MS)
    again.outcome(rows["p1"], Succeeded("pi_1"))
    assert take(again, request("p1")) is None
    assert [one.payment_id for one in committed(rows, again)] == ["p1"]
    last = Batch(rows, NOW_MS)
    take(last, request("p1"))
    assert committed(rows, last) == []
    assert batch.tally + again.tally + last.tally == {
        ("requests", "new"): 1,
        ("requests", "repeat"): 3,
        ("answers", "succeeded"): 1,
    }


def test_the_same_payment_id_for_something_else_is_told_and_not_paid() -> None:
    batch = Batch({}, NOW_MS)
    take(batch, request("p1"))
    assert "not paid" in (take(batch, request("p1", amount_micros=30_000_000)) or "")
    assert row(batch, "p1").amount_micros == 20_000_000


@pytest.mark.parametrize(
    ("value", "key", "said"),
    [
        (None, b"a-1", "no value"),
        (b"{", b"a-1", "truncated"),
        (b"\xff\xfe", b"a-1", "malformed"),
        (b"[" * 50_000, b"a-1", ""),
        (b"{}", b"a-1", "missing"),
        (request("p1").replace(b"payment-requested", b"refill-requested"), b"a-1", "Invalid value"),
        (request("p1", amount_micros=0), b"a-1", "amount_micros"),
        (request("p1", amount_micros=-1), b"a-1", "amount_micros"),
        (request("p1", currency="usd"), b"a-1", "currency"),
        (request("p1", occurred_at="yesterday"), b"a-1", "expected a UTC time"),
        (request("p1", purpose="gift"), b"a-1", "purpose"),
        (request("p1", purpose="refund"), b"a-1", "refund_of"),
        (request("p1", refund_of="p0"), b"a-1", "refund_of"),
        (request("p1"), b"a-2", "key"),
        (request("p1"), None, "key"),
    ],
)
def test_a_bad_request_is_told_and_costs_no_good_one(value: bytes | None, key: bytes | None, said: str) -> None:
    batch = Batch({}, NOW_MS)
    unusual = take(batch, value, key)
    assert unusual is not None
    assert unusual.startswith("unreadable: ")
    assert said in unusual
    take(batch, refund("p2", "p1"))
    assert list(batch.changed) == ["p2"]
    assert batch.tally == {("requests", "unreadable"): 1, ("requests", "new"): 1}


def test_a_request_in_a_partition_that_cannot_answer_it_is_unreadable() -> None:
    batch = Batch({}, NOW_MS)
    assert "another partition" in (batch.request(Record(b"a-1", request("p1")), 1 - HOME, PARTITIONS) or "")


@pytest.mark.parametrize(("timestamp", "expected"), [(NOW_MS - DAY_MS, NOW_MS - DAY_MS), (NOW_MS + DAY_MS, NOW_MS)])
def test_the_provider_may_have_known_a_payment_since_its_request_reached_kafka(timestamp: int, expected: int) -> None:
    batch = Batch({}, NOW_MS)
    take(batch, request("p1"), timestamp=timestamp)
    assert row(batch, "p1").asked_from_ms == expected


def test_a_note_wakes_an_open_payment_and_nothing_else() -> None:
    rows: dict[str, Payment] = {}
    batch = Batch(rows, NOW_MS)
    for name in ("p1", "p2"):
        take(batch, request(name))
    batch.outcome(row(batch, "p1"), Pending("pi_1"))
    batch.outcome(row(batch, "p2"), Succeeded("pi_2"))
    committed(rows, batch)
    assert rows["p1"].due_ms > NOW_MS
    noted = Batch(rows, NOW_MS)
    for value in (note("p1"), note("p1"), note("p2"), note("never asked for"), b"{", None):
        noted.note(value)
    assert committed(rows, noted) == []
    assert list(noted.changed) == ["p1"]
    assert rows["p1"].due_ms == NOW_MS


def test_news_that_comes_while_a_payment_is_asked_for_makes_it_asked_for_once_more() -> None:
    rows: dict[str, Payment] = {}
    batch = Batch(rows, NOW_MS)
    take(batch, request("p1"))
    committed(rows, batch)
    asked = rows["p1"]
    noted = Batch(rows, NOW_MS)
    noted.note(note("p1"))
    committed(rows, noted)
    stale = Batch(rows, NOW_MS + 50)
    stale.outcome(asked, Pending("pi_1"))
    committed(rows, stale)
    assert rows["p1"].due_ms == NOW_MS + 50


@pytest.mark.parametrize(("retryable", "label"), [(True, "declined_for_now"), (False, "declined")])
def test_declines_are_counted_apart(retryable: bool, label: str) -> None:
    batch = Batch({}, NOW_MS)
    take(batch, request("p1"))
    batch.outcome(row(batch, "p1"), Declined("a reason", retryable))
    assert batch.tally["answers", label] == 1


def test_the_schedule_gives_each_row_once_at_its_newest_time() -> None:
    rows: dict[str, Payment] = {}
    schedule = Schedule(rows)
    batch = Batch(rows, NOW_MS)
    take(batch, request("p1"))
    take(batch, request("p2"))
    batch.outcome(row(batch, "p2"), Pending("pi_2", NOW_MS + 10))
    committed(rows, batch)
    for one in (*rows.values(), rows["p1"]):
        schedule.add(one)
    assert schedule.take(NOW_MS - 1) is None
    assert schedule.take(NOW_MS) == rows["p1"]
    later = Batch(rows, NOW_MS)
    later.outcome(rows["p1"], Pending("pi_1", NOW_MS + 20))
    committed(rows, later)
    schedule.add(rows["p1"])
    assert schedule.next_ms() == NOW_MS + 10
    assert [schedule.take(NOW_MS + 30) for _ in range(3)] == [rows["p2"], rows["p1"], None]
