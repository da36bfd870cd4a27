"""Rows as they are written and read, and how far the events of a topic are settled."""

import pytest

from agents.notifier.event import UnreadableEventError, read_event
from agents.notifier.progress import Progress
from agents.notifier.rows import (
    Mark,
    Place,
    Position,
    Row,
    Rows,
    Waiting,
    encode_row,
    mark_key,
    position_key,
    waiting_key,
)
from schemas.rows import CorruptRowError

PLACE = Place("alerts", 7)
WAITING = Waiting(account_id="acct-1", attempts=2, due_ms=3, sequence=4, first_ms=1)
ROWS: list[tuple[bytes, Row]] = [
    (waiting_key("crm", PLACE), WAITING),
    (mark_key("crm", "alerts"), Mark(from_offset=5, not_before_ms=6, old_below=9)),
    (position_key("alerts"), Position(next_offset=8)),
]


def test_rows_come_back_as_they_were_written_and_removed() -> None:
    rows = Rows()
    for key, row in ROWS:
        rows.read(key, encode_row(row))
    assert rows.waiting == {("crm", PLACE): WAITING}
    assert rows.marks == {("crm", "alerts"): ROWS[1][1]}
    assert rows.positions == {"alerts": 8}
    rows.read(ROWS[0][0], None)
    assert rows.waiting == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"waiting/crm/alerts/7", b"{}"),
        (b"waiting/crm/alerts/7", encode_row(WAITING).replace(b'"version":1', b'"version":2')),
        (b"waiting/crm/alerts", encode_row(WAITING)),
        (b"other/crm/alerts/7", encode_row(WAITING)),
        (b"position/alerts", None),
        (None, encode_row(WAITING)),
    ],
)
def test_a_row_that_is_none_of_ours_is_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(CorruptRowError):
        Rows().read(key, value)


def test_a_mark_skips_what_was_old_at_the_first_start() -> None:
    mark = Mark(from_offset=5, not_before_ms=1_000, old_below=9)
    assert [mark.skips(offset, ms) for offset, ms in [(8, 999), (8, 1_000), (9, 999)]] == [True, False, False]


def test_what_is_settled_ends_at_the_first_open_event() -> None:
    progress = Progress(10)
    assert progress.settled == 10
    for offset in (10, 10, 12):
        progress.begin(offset)
    progress.read_to = 14
    assert progress.settled == 10
    progress.settle(12)
    progress.settle(10)
    assert progress.settled == 10, "one of its two targets is left"
    progress.settle(10)
    assert progress.settled == 14


def test_the_id_of_a_notification() -> None:
    """SHA-256 of account, event id and time, each on a line."""
    value = b'{"type":"t","id":"acct-1/alert/4","account_id":"acct-1","occurred_at":"2026-02-01T14:03:10.900Z"}'
    event = read_event("alerts", 0, 0, None, value, 0)
    assert event.notification_id == "tg_eb675b1b52935074df8538a793fb7550"


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b"{}", b'{"type":1}', b"[" * 100_000]
    + [b'{"type":"t","id":"i","account_id":"a","x":%s}' % one for one in (b'"\xff"', b"1e999", b"9" * 5_000)]
    + [b'{"type":"t","id":"i","account_id":"a","x":%s}' % (b"[" * 100_000 + b"]" * 100_000)],
)
def test_a_value_that_is_no_event(value: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        read_event("alerts", 0, 0, None, value, 0)
