"""Fetched batches: each offset gives a record or an unreadable one, whatever is inside; nothing is raised.

The oracle is aiokafka's own decoder, where it can read a batch.
"""

import hashlib
import random
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from schemas.batch import UnreadableRecord
from stream.lane import record_batches
from stream.lane.record_batches import FetchedBatches, ReadableRecords
from stream.lane.record_stream import HEADERS_MAX, RECORD_BYTES_MAX
from tests.lane.fetched import BASE, GOOD, PLACE, READ_GOOD, fetched, read, shown
from tests.lane.handmade import CODECS, PACK, Made, batch, body, payload, stored, varint, with_length

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
def test_a_well_formed_batch_is_read_as_aiokafka_reads_it(codec: int) -> None:
    made = [GOOD, Made(None, None), Made(b"", b""), Made(b"k", b"v" * 100_000)] * 5
    data = batch(made, codec=codec, base=BASE)
    for begin in (0, BASE, BASE + 7):
        expected = [record for record in DefaultRecordBatch(data) if record.offset >= begin]
        found = read(data, begin)
        assert [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in found] == [
            (r.offset, r.timestamp, r.key, r.value, r.headers) for r in expected
        ]


# Payload of a batch of three, of which the middle one is odd -> what its offset gives.
ODD: dict[str, tuple[Made, object]] = {
    "a name that is no UTF-8": (Made(b"k", b"v", [(b"\xff", b"x"), (b"b", b"y")]), (("\udcff", b"x"), ("b", b"y"))),
    "bytes behind its fields": (Made(tail=b"more"), "unreadable"),
    "too many headers": (Made(headers=[(b"", b"")] * (HEADERS_MAX + 1)), "unreadable"),
    "another's offset": (Made(b"k", b"v", delta=0), ()),
    "an offset far ahead": (Made(b"k", b"v", delta=10**6), ()),
    "a negative offset": (Made(b"k", b"v", delta=-5), ()),
    "too large": (Made(value=b"v" * RECORD_BYTES_MAX), "unreadable"),
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
@pytest.mark.parametrize(("odd", "gives"), ODD.values(), ids=ODD.keys())
def test_an_odd_record_leaves_its_neighbours_alone(codec: int, odd: Made, gives: object) -> None:
    found = read(batch([GOOD, odd, GOOD], codec=codec, base=BASE) + batch([GOOD], base=BASE + 3), BASE)
    assert [shown(found[n]) for n in (0, 2, 3)] == [(BASE + n, *READ_GOOD) for n in (0, 2, 3)]
    if gives == "unreadable":
        assert shown(found[1]) == (BASE + 1, "unreadable")
        inside = body(odd, 1)
        assert isinstance(found[1], UnreadableRecord)
        assert (found[1].size, found[1].sha256) == (len(inside), hashlib.sha256(inside).hexdigest())
        assert (found[1].topic, found[1].partition, found[1].measured) == (*PLACE, "record")
    else:
        assert shown(found[1]) == (BASE + 1, b"k", b"v", gives)


def raw_record(*fields: bytes) -> bytes:
    return with_length(b"\0" + varint(0) + varint(1) + b"".join(fields))


# Bytes in place of the second of three records and up to the end, so that records cannot be told apart.
LOST = {
    "a length beyond the batch": varint(5_000) + b"abc",
    "a negative length": varint(-7),
    "a length without an end": b"\xff" * 12,
    "nothing": b"",
    "garbage": b"\x81\x82\x83garbage",
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
@pytest.mark.parametrize("rest", LOST.values(), ids=LOST.keys())
def test_what_cannot_be_told_apart_is_unreadable_offset_by_offset(codec: int, rest: bytes) -> None:
    data = stored(PACK[codec](payload([GOOD]) + rest), 3, codec=codec, base=BASE)
    found = read(data + batch([GOOD], base=BASE + 3), BASE)
    assert [shown(record)[:2] for record in found] == [
        (BASE, b"acme"),
        (BASE + 1, "unreadable"),
        (BASE + 2, "unreadable"),
        (BASE + 3, b"acme"),
    ]
    assert isinstance(found[1], UnreadableRecord)
    assert (found[1].size, found[1].sha256, found[1].measured) == (len(data), hashlib.sha256(data).hexdigest(), "batch")


BROKEN_INSIDE = {
    "a key beyond the record": raw_record(varint(500), b"k"),
    "a value beyond the record": raw_record(varint(-1), varint(2**40), b"v"),
    "a key as long as memory": raw_record(varint(2**62), b"k"),
    "fewer headers than it claims": raw_record(varint(-1), varint(-1), varint(3)),
    "a negative count of headers": raw_record(varint(-1), varint(-1), varint(-3)),
    "a header without a name": raw_record(varint(-1), varint(-1), varint(1), varint(-1), varint(-1)),
    "a header name beyond the record": raw_record(varint(-1), varint(-1), varint(1), varint(2**33)),
    "no fields at all": with_length(b""),
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
@pytest.mark.parametrize("inside", BROKEN_INSIDE.values(), ids=BROKEN_INSIDE.keys())
def test_a_record_that_is_broken_inside_costs_no_other(codec: int, inside: bytes) -> None:
    last = with_length(body(GOOD, 2))
    data = stored(PACK[codec](payload([GOOD]) + inside + last), 3, codec=codec, base=BASE)
    assert [shown(record)[:2] for record in read(data, BASE)] == [
        (BASE, b"acme"),
        (BASE + 1, "unreadable"),
        (BASE + 2, b"acme"),
    ]


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5, 7])
def test_a_broken_compression_gives_each_offset_once(codec: int) -> None:
    packed = PACK.get(codec, bytes)(payload([GOOD] * 50))
    drawn = random.Random(codec)
    for _ in range(200):
        changed = bytearray(packed[: drawn.randrange(len(packed) + 1)] if drawn.random() < 0.3 else packed)
        if changed:
            changed[drawn.randrange(len(changed))] ^= 1 << drawn.randrange(8)
        found = read(stored(bytes(changed), 50, codec=codec, base=BASE) + batch([GOOD], base=BASE + 50), BASE)
        assert [record.offset for record in found] == list(range(BASE, BASE + 51))
        assert shown(found[-1]) == (BASE + 50, *READ_GOOD)


def changed_payload(drawn: random.Random) -> tuple[bytes, int]:
    """A few records, changed in a few places."""
    made = [
        Made(
            drawn.choice([None, b"", b"k" * drawn.randrange(20)]),
            drawn.choice([None, b"", b"v" * drawn.randrange(300)]),
            [(drawn.choice([b"a", b"b", b"", b"name" * 5, b"name", b"\xff"]), drawn.choice([None, b"x"]))]
            * drawn.choice([0, 0, 1, 3]),
        )
        for _ in range(drawn.randrange(1, 8))
    ]
    data = bytearray(payload(made))
    for _ in range(drawn.choice([0, 1, 1, 2, 5])):
        at = drawn.randrange(len(data) + 1)
        data[at : at + drawn.choice([0, 1, 1, 1, 3])] = drawn.choice(
            [bytes([drawn.randrange(256)]), b"", drawn.randbytes(drawn.randrange(12)), b"\xff" * 9 + b"\x01"]
        )
    return bytes(data), len(made)


def by_aiokafka(data: bytes, last_delta: int) -> list[tuple[object, ...]] | None:
    """None when it cannot read the batch, or takes offsets from it that are not the batch's own, one after another."""
    try:
        records = list(DefaultRecordBatch(data))
    except (CorruptRecordException, ValueError, OverflowError, MemoryError):
        return None
    if [record.offset for record in records] != list(range(last_delta + 1)):
        return None
    return [(record.offset, record.key, record.value, tuple(record.headers)) for record in records]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
def test_any_batch_is_read_in_order_and_as_aiokafka_where_that_can(codec: int) -> None:
    drawn, compared = random.Random(100 + codec), 0
    for _ in range(4_000):
        inside, made = changed_payload(drawn)
        count = max(1, made + drawn.choice([0, 0, 0, 1, -1]))
        data = stored(PACK[codec](inside), count, codec=codec)
        found = [shown(record) for record in read(data + batch([GOOD], base=count))]
        assert [one[0] for one in found] == list(range(count + 1))
        assert found[-1] == (count, *READ_GOOD)
        expected = by_aiokafka(data, count - 1)
        if expected is not None:
            assert found[:-1] == expected
            compared += 1
    assert 400 < compared < 3_500


def test_offsets_that_compaction_left_unused_are_no_records() -> None:
    inside = b"".join(with_length(body(GOOD, delta)) for delta in (1, 4, 5))
    data = stored(inside, 3, base=BASE, last_delta=9)
    assert [shown(record) for record in read(data, BASE)] == [(BASE + delta, *READ_GOOD) for delta in (1, 4, 5)]
    odd = with_length(body(Made(headers=[(b"\xff", b"")]), 4))
    data = stored(inside[: len(inside) // 3] + odd, 2, base=BASE, last_delta=9)
    assert [record.offset for record in read(data, BASE)] == [BASE + 1, BASE + 4]


def test_a_record_without_a_time_has_one_that_is_a_number() -> None:
    assert [record.timestamp for record in read(batch([GOOD, GOOD], timestamp=-1))] == [-1, -1]


def test_records_of_aborted_transactions_are_passed_over_unread() -> None:
    bomb = stored(b"not even compressed", 3, codec=4, attributes=0x10, producer=(7, 0, 0))
    marker = stored(
        with_length(body(Made(b"\0\0\0\0", b"\0\0\0\0\0\0"), 0)), 1, base=3, attributes=0x30, producer=(7, 0, -1)
    )
    found = read(bomb + marker + batch([GOOD], base=4), 0, [(7, 0)])
    assert [shown(record) for record in found] == [(4, *READ_GOOD)]


def test_a_message_of_an_old_format_is_read_unless_it_is_compressed() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 16)
    builder.append(0, 1_000, b"k", b"v")
    packed = LegacyRecordBatchBuilder(magic=1, compression_type=1, batch_size=1 << 16)
    packed.append(0, 1_000, b"k", b"v" * 1_000)
    assert [shown(record) for record in fetched(bytes(builder.build()), 0)] == [(0, b"k", b"v", ())]
    assert [shown(record) for record in fetched(bytes(packed.build()), 0)] == [(0, "unreadable")]


def test_every_consumer_of_the_process_reads_so() -> None:
    record_batches.install()
    assert (fetcher.MemoryRecords, fetcher.PartitionRecords) == (FetchedBatches, ReadableRecords)
    assert isinstance(next(iter(fetched(batch([GOOD]), 0))), ConsumerRecord)
