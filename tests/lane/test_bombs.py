"""Batches that are small as stored and huge unpacked, and batches that arrive broken, without a broker."""

import subprocess
import sys
from pathlib import Path

from schemas.batch import UnreadableRecord
from stream.fail_stop import Exit
from stream.lane.record_batches import SLICE_HEADERS_MAX
from stream.lane.record_stream import HEADERS_MAX, RecordBatchHead, RecordStream
from stream.lane.unpack import unpacked_chunks
from tests.lane.bombs import packed_pieces, unpacked_pieces
from tests.lane.fetched import BASE, GOOD, PLACE, READ_GOOD, fetched, read, shown
from tests.lane.handmade import CODECS, Made, batch, payload, stored, varint

ROOT = Path(__file__).parents[2]


def test_a_batch_past_what_is_unpacked_at_most_is_given_up_there() -> None:
    packed = packed_pieces("zstd", unpacked_pieces([GOOD], 40 << 20, [GOOD]))
    head = RecordBatchHead.read(memoryview(stored(packed, 3, codec=4)))
    stream = RecordStream(PLACE, head, unpacked_chunks(head.codec, head.payload), 0, unpacked_bytes_max=20 << 20)
    found = [record for record in stream if record is not None]
    stream.close()
    assert [shown(record)[:2] for record in found] == [(0, b"acme"), (1, "unreadable"), (2, "unreadable")]
    assert [record.measured for record in found if isinstance(record, UnreadableRecord)] == ["batch", "batch"]


def test_passing_over_what_was_read_before_is_work_in_steps() -> None:
    head = RecordBatchHead.read(memoryview(batch([GOOD] * 1_000, codec=4)))
    stream = RecordStream(PLACE, head, unpacked_chunks(head.codec, head.payload), 900)
    found = list(stream)
    assert found[:900] == [None] * 900
    assert [shown(record) for record in found[900:] if record] == [(n, *READ_GOOD) for n in range(900, 1_000)]


def test_many_headers_are_handed_on_a_part_at_a_time() -> None:
    made = [Made(b"k", b"v", [(b"", b"")] * HEADERS_MAX)] * 400
    for codec in (0, 4):
        data = batch(made, codec=codec)
        first = list(fetched(data, 0))
        assert 0 < len(first) <= SLICE_HEADERS_MAX // HEADERS_MAX + 1
        assert [record.offset for record in read(data)] == list(range(400))


def test_good_records_beside_a_bomb_are_read_whichever_offset_a_reader_comes_from() -> None:
    packed = packed_pieces("gzip", unpacked_pieces([GOOD] * 2, 300 << 20, [GOOD] * 2))
    data = stored(packed, 5, codec=1, base=BASE)
    expected = [(BASE + n, *READ_GOOD) if n != 2 else (BASE + 2, "unreadable") for n in range(5)]
    assert [shown(record) for record in read(data, 0)] == expected
    assert [shown(record) for record in read(data, BASE + 3)] == expected[3:]
    # Left in the middle, another log is read at the same place.
    list(fetched(data, BASE))
    other = batch([GOOD], base=BASE)
    assert [shown(record) for record in read(other, BASE)] == [expected[0]]


LIMITED = """
import resource, sys
from tests.lane.test_bombs import read_bombs
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
read_bombs()
"""


def read_bombs() -> None:
    """Half a gigabyte in one record; in a record's headers; in a million records; a snappy block that claims 4 GiB."""
    good = [GOOD]
    many = (payload(good) if n == 0 else b"\x0e\0\0\0\1\1\0\0" * 4_096 for n in range(2_000))
    headers = (b"\0" * 1_000_000 for _ in range(250))
    whole = len(b"\0\0\x02\x01\x01") + len(varint(125_000_000)) + 250_000_000
    in_headers = iter([payload(good), varint(whole) + b"\0\0\x02\x01\x01" + varint(125_000_000), *headers])
    for codec in ("gzip", "zstd"):
        data = stored(packed_pieces(codec, unpacked_pieces(good, 512 << 20, good)), 3, codec=CODECS[codec])
        assert [shown(record)[1] for record in read(data)] == [b"acme", "unreadable", b"acme"]
    data = stored(packed_pieces("zstd", in_headers), 2, codec=4)
    assert [shown(record)[1] for record in read(data)] == [b"acme", "unreadable"]
    data = stored(packed_pieces("zstd", many), 10_000, codec=4)
    assert len(read(data)) == 10_000
    data = stored(b"\xff\xff\xff\xff\x0f" + b"x" * 100, 1, codec=2)
    assert [shown(record)[1] for record in read(data)] == ["unreadable"]


def test_no_batch_takes_more_than_a_bound_of_memory() -> None:
    """Takes half a minute: gigabytes are unpacked, by a process that may not take more than 400 MiB for it."""
    subprocess.run([sys.executable, "-c", LIMITED], cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)})


CORRUPT = """
from stream import log
from stream.lane.record_batches import REFETCHES_MAX
log.configure("info")
from tests.lane.test_bombs import *
data = bytearray(batch([GOOD], base=40) + batch([GOOD], base=41) + batch([GOOD], base=42))
data[-3] ^= 1
records = fetched(bytes(data), 40)
assert [record.offset for record in records] == [40, 41]
for _ in range(REFETCHES_MAX):
    again = fetched(bytes(data[-len(data) // 3:]), 42)
    assert (list(again), again.next_fetch_offset) == ([], 42)
list(fetched(bytes(data[-len(data) // 3:]), 42))
print("still here")
"""


# The broker or the network caused it, not a producer: nothing is skipped, and a person is needed.
def test_a_wrong_checksum_is_fetched_again_and_then_ends_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CORRUPT],
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, "still here" in ended.stdout) == (Exit.PERSON, False), ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert all(part in last for part in ("checksum is wrong", "account-events", "42"))
