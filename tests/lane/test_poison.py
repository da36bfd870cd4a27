"""Nothing that a producer can send stops a worker: each poison beside good deposits, on a real broker.

The batches are written byte by byte, because no client writes such; the broker takes all of those here.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from agents.wallet.dead_letter import KEY_BYTES_MAX
from tests.lane.bombs import packed_pieces, unpacked_pieces
from tests.lane.handmade import CODECS, PACK, TIMESTAMP_MS, Made, batch, payload, stored
from tests.lane.raw_producer import produce
from tests.lane.stage import PARTITIONS, Stage, WorkerProcess
from tests.lane.tally import Deposit

MIB = 1 << 20
POISON: dict[str, tuple[str, Made]] = {
    "a header name that is no UTF-8": ("none", Made(b"k", b"{", [(b"\xff\xfe", b"x")])),
    "a key of 5 MiB": ("gzip", Made(b"x" * 5 * MIB, b"{")),
    "a value of 5 MiB": ("snappy", Made(b"k", b"{" * 5 * MIB)),
    "a large header of ours": ("none", Made(b"k", b"{", [(b"errors.code", b"x" * 900_000)])),
    "a header of ours of 5 MiB": ("lz4", Made(b"k", b"{", [(b"errors.message", b"x" * 5 * MIB)])),
    "300 000 headers": ("zstd", Made(b"k", b"{", [(b"", b"")] * 300_000)),
    "a header name of 1 MiB": ("gzip", Made(b"k", b"{", [(b"n" * MIB, None)])),
    "a record of 9 MiB": ("zstd", Made(b"k", b"{" * 9 * MIB)),
    "neither key nor value": ("none", Made(None, None)),
    "a record that claims the offset of the one before": ("none", Made(b"k", b"{", delta=0)),
    "a record that claims an offset far ahead": ("none", Made(b"k", b"{", delta=1_000_000)),
}


def deposits_on(stage: Stage, partition: int, count: int) -> list[Deposit]:
    """Deposits of an account that only this partition sees, remembered as sent."""
    made = [Deposit(f"p{partition}-{len(stage.sent) + n}", f"only-{partition}", n + 1) for n in range(count)]
    stage.sent += made
    return made


def as_made(deposit: Deposit, headers: tuple[tuple[bytes, bytes | None], ...] = ()) -> Made:
    return Made(deposit.account_id.encode(), msgspec.json.encode(deposit), headers)


def send(stage: Stage, batches: list[tuple[int, bytes]]) -> list[str]:
    places = [(TopicPartition(stage.topic("account-events"), partition), one) for partition, one in batches]
    return asyncio.run(produce(stage.bootstrap, places))


def send_poison(stage: Stage) -> None:
    """Each in one batch with a deposit before it and one behind."""
    batches = []
    for n, (codec, poison) in enumerate(POISON.values()):
        one, other = map(as_made, deposits_on(stage, n % PARTITIONS, 2))
        batches.append((n % PARTITIONS, batch([one, poison, other], codec=CODECS[codec])))
    assert send(stage, batches) == ["NoError"] * len(batches)


def letters_of(stage: Stage, count: int) -> list[ConsumerRecord]:
    found = stage.read(stage.topic("dead-letters"), lambda records: len(records) >= count)
    assert len(found) == len({(r.partition, dict(r.headers)["errors.offset"]) for r in found}) == count
    return found


def memory_mib(worker: WorkerProcess) -> int:
    """The most memory that the process has had."""
    lines = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def test_each_poison_gives_one_dead_letter_and_costs_no_good_record(stage: Stage) -> None:
    """Takes half a minute: a worker reads each poison while it runs, and another one at its start."""
    first = stage.worker(clock="none")
    first.wait_owned()
    send_poison(stage)
    stage.send(stage.deposits(30))
    stage.check_exactly_once()
    letters = letters_of(stage, len(POISON))
    assert Counter(dict(letter.headers)["errors.code"] for letter in letters) == {
        b"malformed_json": len(POISON) - 2,
        b"unreadable_record": 2,
    }
    first.stop()
    send_poison(stage)
    second = stage.worker(clock="none")
    second.wait_owned()
    stage.send(stage.deposits(30))
    stage.check_exactly_once()
    check_cut(letters_of(stage, 2 * len(POISON)))
    second.stop()


def check_cut(letters: list[ConsumerRecord]) -> None:
    """Each letter names what was cut, and no header of a producer replaces ours."""
    cut = Counter(headers["errors.cut"].decode() for headers in map(header_table, letters) if "errors.cut" in headers)
    assert cut == {
        "headers 3": 2,
        f"key {5 * MIB}": 2,
        f"value {5 * MIB}": 2,
        f"headers {900_000 + len('errors.code')}": 2,
        f"headers {5 * MIB + len('errors.message')}": 2,
        f"headers {MIB}": 2,
    }
    assert max(len(letter.key or b"") for letter in letters) == KEY_BYTES_MAX


def header_table(letter: ConsumerRecord) -> dict[str, bytes]:
    assert len(letter.headers) == len(dict(letter.headers))
    return dict(letter.headers)


def test_an_input_with_an_odd_header_or_without_a_time_is_still_an_input(stage: Stage) -> None:
    odd = ((b"\xff", b"x"), (b"errors.code", None), (b"", b""))
    made = [as_made(deposit, odd) for deposit in deposits_on(stage, 3, 20)]
    stage.create_topics()
    batches = [batch(made[n * 5 : n * 5 + 5], codec=n, timestamp=(-1, -5, TIMESTAMP_MS, -1)[n]) for n in range(4)]
    assert send(stage, [(3, one) for one in batches]) == ["NoError"] * 4
    stage.worker().wait_owned()
    stage.check_exactly_once()


# Packed, each is less than the megabyte that the topic takes; gzip and zstd could make more of it, which takes minutes.
BOMBS = {"gzip": 300 << 20, "zstd": 400 << 20, "lz4": 200 << 20, "snappy": 18 << 20}


def test_a_bomb_is_one_dead_letter_and_takes_no_memory(stage: Stage) -> None:
    """Takes half a minute: nearly a gigabyte is unpacked."""
    worker = stage.worker(clock="none")
    worker.wait_owned()
    batches = []
    for n, (codec, size) in enumerate(BOMBS.items()):
        one, other = map(as_made, deposits_on(stage, n, 2))
        packed = packed_pieces(codec, unpacked_pieces([one], size, [other]))
        batches.append((n, stored(packed, 3, codec=CODECS[codec])))
    before = memory_mib(worker)
    assert send(stage, batches) == ["NoError"] * len(BOMBS)
    stage.send(stage.deposits(30))
    stage.check_exactly_once()
    letters = letters_of(stage, len(BOMBS))
    assert {header_table(letter)["errors.code"] for letter in letters} == {b"unreadable_record"}
    sizes = {letter.partition: int(header_table(letter)["errors.size"]) for letter in letters}
    assert [sizes[n] >= size for n, size in enumerate(BOMBS.values())] == [True] * len(BOMBS)
    assert memory_mib(worker) - before < 150
    assert worker.process.poll() is None


@pytest.mark.parametrize("seed", [1, 2])
def test_random_batches_that_the_broker_takes_cost_no_good_record(stage: Stage, seed: int) -> None:
    drawn = random.Random(seed)
    worker = stage.worker(clock="none")
    worker.wait_owned()
    sent: list[tuple[int, bytes, int]] = []
    for _ in range(300):
        records = [Made(b"k", b"{" * drawn.randrange(50), [(b"h", b"x")] * drawn.randrange(3)) for _ in range(3)]
        changed = bytearray(payload(records))
        for _ in range(drawn.randrange(1, 4)):
            changed[drawn.randrange(len(changed))] = drawn.randrange(256)
        codec = drawn.randrange(5)
        sent.append((drawn.randrange(PARTITIONS), stored(PACK[codec](bytes(changed)), 3, codec=codec), 3))
    outcomes = send(stage, [(partition, one) for partition, one, _ in sent])
    taken = sum(count for (*_, count), outcome in zip(sent, outcomes, strict=True) if outcome == "NoError")
    assert taken > 300, Counter(outcomes)
    stage.send(stage.deposits(30))
    stage.check_exactly_once()
    # Changed at random, a value may have become a deposit's no more than a key its account's: all are dead letters.
    letters_of(stage, taken)
    assert worker.process.poll() is None
