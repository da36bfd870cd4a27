"""Which keys and members a record gives, decided without a Redis."""

import json

import pytest

from agents.views import layout
from agents.views.layout import CHARGES, DECISIONS, INVOICES, SNAPSHOTS, CallPart, Limits, UnreadableEventError
from schemas.instant import DAY_MS, format_instant
from stream import topics
from tests.views.events import JANUARY_MS, adjusted, admitted, charged, entry, event, redirected, snapshot, written

ALL = Limits(10_000, 0)


def test_every_output_topic_but_the_payment_requests_is_read() -> None:
    read = {topic.name for topic in topics.CONTRACT} - {topics.INPUTS, "payment-requests"}
    assert set(layout.TOPICS) == read


@pytest.mark.parametrize(
    ("topic", "key"),
    [
        ("account-snapshots", b"tg:1:{acme}:snapshot"),
        ("charges", b"tg:1:{acme}:charges"),
        ("ledger-entries", b"tg:1:{acme}:ledger"),
        ("alerts", b"tg:1:{acme}:alerts"),
        ("invoices", b"tg:1:{acme}:invoices"),
        ("call-decisions", b"tg:1:{acme}:decisions"),
        ("refills", b"tg:1:{acme}:refills"),
    ],
)
def test_the_keys_of_each_topic(topic: str, key: bytes) -> None:
    value = {
        SNAPSHOTS: snapshot("acme", 7),
        CHARGES: charged("acme", "c/1", 5),
        DECISIONS: admitted("acme", "c/1", 5),
    }.get(topic, event("any", "acme", 5))
    keys, arguments = layout.script_call(topic, b"p." + topic.encode(), [written(topic, 3, value)], ALL)
    assert keys[:3] == [b"tg:1:{acme}:at", key, b"tg:1:{acme}:calls"]
    assert keys[3:] == ([b"tg:1:{acme}:call:c/1"] if topic in {CHARGES, DECISIONS} else [])
    assert arguments[:2] == [b"p." + topic.encode(), 3]
    assert value in arguments


def test_all_keys_of_a_script_have_one_hash_tag() -> None:
    writes = [written(CHARGES, n, charged("a@b:+._-", f"c{n}", n)) for n in range(3)]
    keys, _ = layout.script_call(CHARGES, b"charges", writes, ALL)
    assert {key[key.index(b"{") : key.index(b"}") + 1] for key in keys} == {b"{a@b:+._-}"}


@pytest.mark.parametrize("reason", ["unknown_account", "refused"])
def test_a_redirect_that_anyone_could_cause_is_not_kept(reason: str) -> None:
    assert layout.write_of(DECISIONS, 1, b"acme", redirected("acme", "c1", 1, reason)) is None


def test_a_refused_start_without_call_or_time_is_not_kept() -> None:
    value = json.dumps({"type": "call-redirected", "occurred_at": None, "call_id": None, "reason": "refused"}).encode()
    assert layout.write_of(DECISIONS, 1, b"acme", value) is None


@pytest.mark.parametrize("reason", ["insufficient_balance", "extra_calls_off", "subscription_ended"])
def test_any_other_redirect_is_the_decision_of_its_call(reason: str) -> None:
    write = written(DECISIONS, 1, redirected("acme", "c1", 1, reason))
    assert write.call == CallPart(b"c1", b"decision", JANUARY_MS + 1)


def test_an_event_that_knows_its_call_began_earlier_says_so() -> None:
    assert written(CHARGES, 1, adjusted("acme", "c1", 9, 4)).call == CallPart(b"c1", b"a", JANUARY_MS + 4)
    assert written(CHARGES, 1, charged("acme", "c1", 9, 4)).call == CallPart(b"c1", b"charge", JANUARY_MS + 4)


def test_dead_letters_and_removals_give_nothing() -> None:
    assert layout.write_of(layout.DEAD_LETTERS, 1, b"acme", b"anything") is None
    assert layout.write_of(CHARGES, 1, b"acme", None) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, entry("acme", 1, 1)),
        (b"a}b", entry("acme", 1, 1)),
        (b"acme", b"{"),
        (b"acme", b'{"occurred_at": "yesterday"}'),
        (b"acme", b"[]"),
    ],
)
def test_a_record_that_no_engine_wrote_is_told(key: bytes | None, value: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        layout.write_of("ledger-entries", 1, key, value)


def test_what_is_older_than_what_is_kept_is_not_written_and_invoices_always_are() -> None:
    keep = layout.limits(keep_days=400, keep_rows=5, now_ms=JANUARY_MS + 401 * DAY_MS)
    old, new = entry("acme", 1, 0), entry("acme", 2, DAY_MS)
    writes = [written("ledger-entries", 1, old), written("ledger-entries", 2, new)]
    _, arguments = layout.script_call("ledger-entries", b"ledger-entries", writes, keep)
    assert arguments[3:] == [
        5,
        format_instant(keep.cutoff_ms)[:19].encode(),
        keep.cutoff_ms,
        b"tg:1:{acme}:call:",
        2,
        new,
    ]
    _, arguments = layout.script_call(INVOICES, b"invoices", [written(INVOICES, 1, old)], keep)
    assert arguments[3] == 0
    assert arguments[-2:] == [1, old]


def test_the_cutoff_is_a_whole_second() -> None:
    keep = layout.limits(1, 1, JANUARY_MS + DAY_MS + 999)
    assert keep.cutoff_ms == JANUARY_MS
    assert keep.cutoff_text == "2026-01-01T00:00:00"


def test_the_newest_snapshot_of_a_batch_is_the_one_that_is_sent() -> None:
    values = {version: snapshot("acme", version) for version in (3, 12, 9)}
    writes = [written(SNAPSHOTS, offset, value) for offset, value in enumerate(values.values())]
    _, arguments = layout.script_call(SNAPSHOTS, b"account-snapshots", writes, ALL)
    assert arguments == [b"account-snapshots", 2, b"snapshot", 12, 1, values[12]]
