"""What the scripts leave in a real Redis: each write commutes and may be repeated."""

import itertools
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from agents.views import layout
from agents.views.layout import CHARGES, DECISIONS, INVOICES, SNAPSHOTS, Limits
from agents.views.settings import Settings
from agents.views.store import LostError, Store
from devkit.redis import DevRedis
from schemas.instant import DAY_MS
from stream.redis_connection import connect
from tests.views.events import JANUARY_MS, adjusted, admitted, charged, entry, event, redirected, snapshot, written

ALL = Limits(10_000, 0)
LEDGER = "ledger-entries"
Told = tuple[str, int, bytes]


@pytest.fixture
async def store(shared_redis: DevRedis) -> AsyncIterator[Store]:
    made = Store(connect(Settings(redis_url=shared_redis.url)))
    await made.run([("FLUSHALL",)])
    yield made
    await made.close()


async def apply(store: Store, events: Sequence[Told], keep: Limits = ALL) -> None:
    for topic, offset, value in events:
        await store.write(topic, topic, 0, [written(topic, offset, value)], keep)


async def content(store: Store) -> dict[bytes, Any]:
    """Every key of Redis and what it holds."""
    found: dict[bytes, Any] = {}
    for key in (await store.run([("KEYS", "*")]))[0]:
        kind = (await store.run([("TYPE", key)]))[0]
        command = {
            b"string": ("GET", key),
            b"hash": ("HGETALL", key),
            b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
        }[kind]
        found[key] = (await store.run([command]))[0]
    return found


def scores(members: Any) -> dict[bytes, float]:
    return {bytes(member): float(score) for member, score in members}


HISTORY: list[Told] = [
    (DECISIONS, 4, admitted("acme", "c1", 1_000)),
    (CHARGES, 7, charged("acme", "c1", 5_000, 1_000)),
    (CHARGES, 9, adjusted("acme", "c1", 9_000, 1_000)),
    (SNAPSHOTS, 3, snapshot("acme", 5)),
    (SNAPSHOTS, 8, snapshot("acme", 11)),
    (LEDGER, 2, entry("acme", 1, 5_000)),
]


async def test_the_views_of_an_account(store: Store) -> None:
    await apply(store, HISTORY)
    found = await content(store)
    assert {key: scores(members) for key, members in found.items() if key.endswith((b"s", b"ledger", b"0"))} == {
        b"tg:1:accounts:0": {b"acme": 0},
        b"tg:1:{acme}:decisions": {HISTORY[0][2]: 4},
        b"tg:1:{acme}:charges": {HISTORY[1][2]: 7, HISTORY[2][2]: 9},
        b"tg:1:{acme}:ledger": {HISTORY[5][2]: 2},
        b"tg:1:{acme}:calls": {b"c1": JANUARY_MS + 1_000},
    }
    assert found[b"tg:1:{acme}:snapshot"] == HISTORY[4][2]
    assert found[b"tg:1:{acme}:call:c1"] == {
        b"decision": HISTORY[0][2],
        b"charge": HISTORY[1][2],
        b"a:9": HISTORY[2][2],
    }
    assert found[b"tg:1:{acme}:at"] == {
        b"call-decisions": b"4",
        b"charges": b"9",
        b"account-snapshots": b"8",
        b"snapshot_version": b"11",
        b"ledger-entries": b"2",
    }
    assert len(found) == 8


async def test_every_order_of_the_same_events_gives_the_same_views(store: Store) -> None:
    await apply(store, HISTORY)
    expected = await content(store)
    for order in random.Random(3).sample([*itertools.permutations(HISTORY)], 60):
        await store.run([("FLUSHALL",)])
        await apply(store, order)
        assert {key: _unordered(value) for key, value in (await content(store)).items()} == {
            key: _unordered(value) for key, value in expected.items()
        }, order


def _unordered(value: Any) -> Any:
    return scores(value) if isinstance(value, list) else value


async def test_applying_again_changes_nothing(store: Store) -> None:
    await apply(store, HISTORY)
    before = await content(store)
    await apply(store, random.Random(1).sample(HISTORY, len(HISTORY)))
    assert await content(store) == before


async def test_equal_bytes_at_two_offsets_are_one_member_with_the_greatest(store: Store) -> None:
    change = adjusted("acme", "c1", 9_000)
    for offsets in ((3, 8), (8, 3)):
        await store.run([("FLUSHALL",)])
        await apply(store, [(CHARGES, offset, change) for offset in offsets])
        found = await content(store)
        assert scores(found[b"tg:1:{acme}:charges"]) == {change: 8}
        assert found[b"tg:1:{acme}:call:c1"] == {b"a:8": change}
        assert found[b"tg:1:{acme}:at"] == {b"charges": b"8"}


async def test_two_adjustments_of_a_call_are_two_fields(store: Store) -> None:
    first, second = adjusted("acme", "c1", 9_000), adjusted("acme", "c1", 9_500)
    await apply(store, [(CHARGES, 9, second), (CHARGES, 5, first)])
    assert (await content(store))[b"tg:1:{acme}:call:c1"] == {b"a:5": first, b"a:9": second}


async def test_an_older_snapshot_never_replaces_a_newer_one(store: Store) -> None:
    # 2**53 + 1 and 2**53 are one double: versions stay far below.
    for versions in itertools.permutations((9, 10, 101)):
        await store.run([("FLUSHALL",)])
        await apply(store, [(SNAPSHOTS, version, snapshot("acme", version)) for version in versions])
        assert (await content(store))[b"tg:1:{acme}:snapshot"] == snapshot("acme", 101)


async def test_a_snapshot_that_was_removed_by_hand_comes_back(store: Store) -> None:
    await apply(store, HISTORY)
    await store.run([("DEL", "tg:1:{acme}:snapshot")])
    await apply(store, [HISTORY[4]])
    assert (await content(store))[b"tg:1:{acme}:snapshot"] == HISTORY[4][2]


async def test_invented_accounts_leave_nothing(store: Store) -> None:
    values = [redirected(f"invented-{n}", "c", n, reason) for n, reason in enumerate(("unknown_account", "refused"))]
    assert all(layout.write_of(DECISIONS, n, b"invented", value) is None for n, value in enumerate(values))
    assert await content(store) == {}


async def test_a_list_keeps_its_newest_rows_by_offset(store: Store) -> None:
    keep = Limits(3, 0)
    entries = [(LEDGER, n, entry("acme", n, n)) for n in range(1, 8)]
    for order in ([*entries], [*reversed(entries)], random.Random(2).sample(entries, 7), [*entries, *entries]):
        await store.run([("FLUSHALL",)])
        await apply(store, order, keep)
        assert scores((await content(store))[b"tg:1:{acme}:ledger"]) == {value: n for _, n, value in entries[-3:]}


async def test_invoices_are_never_trimmed(store: Store) -> None:
    keep = Limits(2, JANUARY_MS + DAY_MS)
    bills = [(INVOICES, n, event("invoice-issued", "acme", n)) for n in range(5)]
    await apply(store, bills, keep)
    await store.trim(0, keep)
    assert len((await content(store))[b"tg:1:{acme}:invoices"]) == 5


async def test_calls_beyond_what_is_kept_lose_their_hash_and_stay_away(store: Store) -> None:
    keep = Limits(3, 0)
    calls: list[Told] = []
    for n in range(1, 7):
        calls += [
            (DECISIONS, n, admitted("acme", f"c{n}", n * 1_000)),
            (CHARGES, n, charged("acme", f"c{n}", n * 1_000 + 10, n * 1_000)),
        ]
    late = (CHARGES, 50, adjusted("acme", "c1", 900_000, 1_000))
    for order in ([*calls, late], [*calls, late, *calls], [*reversed(calls), late]):
        await store.run([("FLUSHALL",)])
        await apply(store, order, keep)
        found = await content(store)
        assert [key for key in sorted(found) if b":call:" in key] == [b"tg:1:{acme}:call:c%d" % n for n in (4, 5, 6)]
        assert scores(found[b"tg:1:{acme}:calls"]) == {b"c%d" % n: JANUARY_MS + n * 1_000 for n in (4, 5, 6)}
        assert found[b"tg:1:{acme}:call:c6"] == {b"decision": calls[-2][2], b"charge": calls[-1][2]}
        # The list has the late adjustment: it is one of the newest rows, whatever its call.
        assert late[2] in scores(found[b"tg:1:{acme}:charges"])


async def test_days_are_trimmed_at_each_write_and_once_a_day(store: Store) -> None:
    await apply(store, HISTORY)
    keep = Limits(10_000, JANUARY_MS + 7_000)
    await apply(store, [(CHARGES, 20, charged("acme", "c2", 10_000))], keep)
    found = await content(store)
    assert set(scores(found[b"tg:1:{acme}:charges"])) == {HISTORY[2][2], charged("acme", "c2", 10_000)}
    assert set(scores(found[b"tg:1:{acme}:calls"])) == {b"c2"}
    assert b"tg:1:{acme}:call:c1" not in found
    assert b"tg:1:{acme}:ledger" in found
    assert await store.trim(0, keep) == 1
    found = await content(store)
    assert b"tg:1:{acme}:ledger" not in found
    assert b"tg:1:{acme}:decisions" not in found
    assert found[b"tg:1:{acme}:snapshot"] == HISTORY[4][2]
    await apply(store, HISTORY, keep)
    assert b"tg:1:{acme}:ledger" not in await content(store)


async def test_positions_are_written_only_where_the_epoch_is_still_there(store: Store) -> None:
    assert await store.begin(b"", b"first", {b"cluster_id": b"k"}) == b"first"
    assert await store.begin(b"", b"second", {}) == b"first"
    await store.advance(b"first", {b"charges/0": 7, b"caught_up_at:0": 1})
    await store.advance(b"first", {b"caught_up_at:0": b""})
    assert await store.meta() == {b"epoch": b"first", b"cluster_id": b"k", b"charges/0": b"7"}
    await store.run([("FLUSHALL",)])
    with pytest.raises(LostError):
        await store.advance(b"first", {b"charges/0": 9})
    assert await store.meta() == {}
    assert await store.begin(b"", b"third", {}) == b"third"
    with pytest.raises(LostError):
        await store.advance(b"first", {b"charges/0": 9})
    assert await store.begin(b"third", b"fourth", {}) == b"fourth"


async def test_a_wipe_leaves_what_other_processes_keep(store: Store) -> None:
    await apply(store, HISTORY)
    await store.run([("SET", "tg:1:gw:{acme}:x", "1"), ("SET", "other", "1"), ("HSET", "tg:1:meta", "epoch", "e")])
    await store.wipe()
    assert set(await content(store)) == {b"tg:1:gw:{acme}:x", b"other", b"tg:1:meta"}


async def test_the_text_of_a_script_is_sent_again_to_a_redis_that_lost_it(store: Store) -> None:
    await apply(store, HISTORY[:1])
    await store.run([("SCRIPT", "FLUSH")])
    await apply(store, HISTORY[1:])
    assert len(await content(store)) == 8
