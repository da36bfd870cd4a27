"""One transaction's changes: each payment is opened once and answered once, however often a request is repeated."""

import pytest
from msgspec.json import decode, encode

from payments.adapter.changes import Changes, WebhookNote
from payments.adapter.schedule import Schedule
from payments.outcome import Declined, Outcome, Pending, Succeeded, Unknown
from payments.payment_state import PaymentState
from payments.reversal import Listed, Looked, Reversal
from schemas.instant import DAY_MS
from schemas.partitioning import partition_of
from tests.payments.requests import PARTITIONS, REQUESTED_MS, Record, refund, request

NOW_MS = REQUESTED_MS + 5_000
HOME = partition_of(b"a-1", PARTITIONS)


def take(
    changes: Changes, value: bytes | None, key: bytes | None = b"a-1", timestamp: int = REQUESTED_MS
) -> str | None:
    return changes.add_request(Record(key, value, timestamp=timestamp), HOME, PARTITIONS)


def committed(rows: dict[str, PaymentState], changes: Changes) -> list[PaymentState]:
    """Apply the changes as their commit would; returns the payments that they answer."""
    for payment_id, changed in changes.changed.items():
        assert changed is not None
        rows[payment_id] = changed
    return changes.answered


def row(changes: Changes, payment_id: str) -> PaymentState:
    found = changes.get(payment_id)
    assert found is not None
    return found


def note(payment_id: str) -> bytes:
    return encode(WebhookNote(payment_id, "a-1", "payment_intent.succeeded"))


def test_a_request_seen_again_opens_nothing_whether_open_or_answered() -> None:
    rows: dict[str, PaymentState] = {}
    changes = Changes(rows, NOW_MS)
    assert take(changes, request("p1")) is None
    assert take(changes, request("p1")) is None
    assert committed(rows, changes) == []
    again = Changes(rows, NOW_MS)
    again.add_outcome(rows["p1"], Succeeded("pi_1"))
    assert take(again, request("p1")) is None
    assert [one.payment_id for one in committed(rows, again)] == ["p1"]
    last = Changes(rows, NOW_MS)
    take(last, request("p1"))
    assert committed(rows, last) == []
    assert changes.tally + again.tally + last.tally == {
        ("requests", "new"): 1,
        ("requests", "repeat"): 3,
        ("answers", "succeeded"): 1,
    }


@pytest.mark.parametrize("field", ["purpose", "type", "currency", "token", "occurred_at", "account_id"])
def test_the_problem_of_an_unreadable_request_quotes_nothing_of_it(field: str) -> None:
    fields = {**decode(request("p1")), field: "jane's @mail.example" * 60}
    problem = take(Changes({}, NOW_MS), encode(fields))
    assert problem is not None
    assert "jane" not in problem


def test_a_payment_id_reused_for_another_request_is_reported_and_not_paid() -> None:
    changes = Changes({}, NOW_MS)
    take(changes, request("p1"))
    assert "not executed" in (take(changes, request("p1", amount_micros=30_000_000)) or "")
    assert row(changes, "p1").amount_micros == 20_000_000


@pytest.mark.parametrize(
    ("value", "key", "expected"),
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
        (request("p1", occurred_at="yesterday"), b"a-1", "expected an RFC 3339 time"),
        (request("p1", purpose="gift"), b"a-1", "purpose"),
        (request("p1", purpose="refund"), b"a-1", "refund_of"),
        (request("p1", refund_of="p0"), b"a-1", "refund_of"),
        (request("p1"), b"a-2", "key"),
        (request("p1"), None, "key"),
    ],
)
def test_a_bad_request_is_reported_and_affects_no_good_one(
    value: bytes | None, key: bytes | None, expected: str
) -> None:
    changes = Changes({}, NOW_MS)
    problem = take(changes, value, key)
    assert problem is not None
    assert problem.startswith("unreadable: ")
    assert expected in problem
    take(changes, refund("p2", "p1"))
    assert list(changes.changed) == ["p2"]
    assert changes.tally == {("requests", "unreadable"): 1, ("requests", "new"): 1}


def test_a_request_in_a_partition_that_cannot_answer_it_is_unreadable() -> None:
    changes = Changes({}, NOW_MS)
    assert "another partition" in (changes.add_request(Record(b"a-1", request("p1")), 1 - HOME, PARTITIONS) or "")


@pytest.mark.parametrize(("timestamp", "expected"), [(NOW_MS - DAY_MS, NOW_MS - DAY_MS), (NOW_MS + DAY_MS, NOW_MS)])
def test_the_provider_may_have_known_a_payment_since_its_request_reached_kafka(timestamp: int, expected: int) -> None:
    changes = Changes({}, NOW_MS)
    take(changes, request("p1"), timestamp=timestamp)
    assert row(changes, "p1").received_at_ms == expected


def test_a_note_makes_an_open_payment_due_and_nothing_else() -> None:
    rows: dict[str, PaymentState] = {}
    changes = Changes(rows, NOW_MS)
    for name in ("p1", "p2"):
        take(changes, request(name))
    changes.add_outcome(row(changes, "p1"), Pending("pi_1"))
    changes.add_outcome(row(changes, "p2"), Succeeded("pi_2"))
    committed(rows, changes)
    assert rows["p1"].due_ms > NOW_MS
    noted = Changes(rows, NOW_MS)
    for value in (note("p1"), note("p1"), note("p2"), note("never requested"), b"{", None):
        noted.add_note(value)
    assert committed(rows, noted) == []
    assert list(noted.changed) == ["p1"]
    assert rows["p1"].due_ms == NOW_MS


def test_a_note_during_a_provider_call_makes_the_payment_due_once_more() -> None:
    rows: dict[str, PaymentState] = {}
    changes = Changes(rows, NOW_MS)
    take(changes, request("p1"))
    committed(rows, changes)
    sent = rows["p1"]
    noted = Changes(rows, NOW_MS)
    noted.add_note(note("p1"))
    committed(rows, noted)
    stale = Changes(rows, NOW_MS + 50)
    stale.add_outcome(sent, Pending("pi_1"))
    committed(rows, stale)
    assert rows["p1"].due_ms == NOW_MS + 50


@pytest.mark.parametrize(("retryable", "label"), [(True, "declined_for_now"), (False, "declined")])
def test_declines_are_counted_apart(retryable: bool, label: str) -> None:
    changes = Changes({}, NOW_MS)
    take(changes, request("p1"))
    changes.add_outcome(row(changes, "p1"), Declined("a reason", retryable))
    assert changes.tally["answers", label] == 1


def test_the_schedule_gives_each_row_once_at_its_newest_time() -> None:
    rows: dict[str, PaymentState] = {}
    schedule = Schedule(rows)
    changes = Changes(rows, NOW_MS)
    take(changes, request("p1"))
    take(changes, request("p2"))
    changes.add_outcome(row(changes, "p2"), Pending("pi_2", NOW_MS + 10))
    committed(rows, changes)
    for one in (*rows.values(), rows["p1"]):
        schedule.add(one)
    assert schedule.pop_due(NOW_MS - 1) is None
    assert schedule.pop_due(NOW_MS) == rows["p1"]
    later = Changes(rows, NOW_MS)
    later.add_outcome(rows["p1"], Pending("pi_1", NOW_MS + 20))
    committed(rows, later)
    schedule.add(rows["p1"])
    assert schedule.next_due_ms() == NOW_MS + 10
    assert [schedule.pop_due(NOW_MS + 30) for _ in range(3)] == [rows["p2"], rows["p1"], None]


# Reversals. Rules G14 and R3.

DISPUTE = Reversal("dispute", "du_1", 20_000_000, NOW_MS)
WON = Reversal("dispute_won", "du_1", 20_000_000, NOW_MS + 1)


def reversal_note(payment_id: str, event: str = "charge.dispute.created") -> bytes:
    return encode(WebhookNote(payment_id, "a-1", event))


def answered(outcome: Outcome, value: bytes | None = None) -> dict[str, PaymentState]:
    """The rows after payment `p1` has its answer."""
    rows: dict[str, PaymentState] = {}
    changes = Changes(rows, NOW_MS)
    take(changes, request("p1") if value is None else value)
    changes.add_outcome(row(changes, "p1"), outcome)
    committed(rows, changes)
    return rows


def look(rows: dict[str, PaymentState], found: Looked | Unknown) -> list[Reversal]:
    """The reversals sent after a look at `p1`, which is then committed."""
    changes = Changes(rows, NOW_MS)
    changes.add_look(rows["p1"], found)
    assert committed(rows, changes) == []
    return [reversal for _, reversal in changes.reversed]


def test_r4_each_reversal_is_sent_once_however_often_it_is_found() -> None:
    rows = answered(Succeeded("pi_1"))
    assert look(rows, Looked((DISPUTE,))) == [DISPUTE]
    assert look(rows, Looked((DISPUTE,))) == []
    assert look(rows, Unknown("a time-out")) == []
    assert look(rows, Looked((DISPUTE, WON))) == [WON]


@pytest.mark.parametrize("event", ["charge.dispute.closed", "charge.refunded", "refund.failed"])
def test_a_note_about_a_reversal_makes_an_answered_payment_due_for_a_look(event: str) -> None:
    rows = answered(Succeeded("pi_1"))
    changes = Changes(rows, NOW_MS)
    changes.add_note(reversal_note("p1", event))
    changes.add_note(reversal_note("never requested", event))
    assert row(changes, "p1").next_ms == NOW_MS
    assert list(changes.changed) == ["p1"]


def test_r3_a_payment_disputed_before_its_answer_is_looked_at_after_it() -> None:
    """The charge was made, and the response lost."""
    rows: dict[str, PaymentState] = {}
    changes = Changes(rows, NOW_MS)
    take(changes, request("p1"))
    committed(rows, changes)
    noted = Changes(rows, NOW_MS)
    noted.add_note(reversal_note("p1"))
    noted.add_listed(NOW_MS, Listed(frozenset({"p1"})))
    committed(rows, noted)
    assert rows["p1"].is_open
    assert noted.reversed == []
    after = Changes(rows, NOW_MS)
    after.add_outcome(rows["p1"], Succeeded("pi_1"))
    committed(rows, after)
    assert rows["p1"].next_ms == NOW_MS


def test_a_listed_payment_is_looked_at_and_the_list_is_known_up_to_its_beginning() -> None:
    rows = answered(Succeeded("pi_1"))
    changes = Changes(rows, NOW_MS)
    changes.add_listed(NOW_MS - 7, Listed(frozenset({"p1", "of/another/partition"})))
    assert changes.listed is not None
    assert changes.listed.at_ms == NOW_MS - 7
    assert list(changes.changed) == ["p1"]
    assert row(changes, "p1").next_ms == NOW_MS


def test_a_note_during_a_look_brings_one_more() -> None:
    rows = answered(Succeeded("pi_1"))
    sent = rows["p1"]
    noted = Changes(rows, NOW_MS)
    noted.add_note(reversal_note("p1"))
    committed(rows, noted)
    stale = Changes(rows, NOW_MS + 50)
    stale.add_look(sent, Looked())
    committed(rows, stale)
    assert rows["p1"].next_ms == NOW_MS + 50


def test_a_payment_forgotten_during_a_look_stays_forgotten() -> None:
    rows = answered(Succeeded("pi_1"))
    changes = Changes({}, NOW_MS)
    changes.add_look(rows["p1"], Looked((DISPUTE,)))
    assert (changes.changed, changes.reversed) == ({}, [])


def test_r2_a_refund_that_was_declined_is_not_looked_at() -> None:
    """The wallet has given it back already."""
    rows = answered(Declined("refund failed", retryable=False), refund("p1", "p0"))
    changes = Changes(rows, NOW_MS)
    changes.add_note(reversal_note("p1", "refund.failed"))
    assert changes.changed == {}


def test_looks_and_reversals_are_counted() -> None:
    rows = answered(Succeeded("pi_1"))
    changes = Changes(rows, NOW_MS)
    changes.add_look(rows["p1"], Looked((DISPUTE, WON)))
    assert changes.tally == {("looks", "done"): 1, ("reversals", "dispute"): 1, ("reversals", "dispute_won"): 1}
