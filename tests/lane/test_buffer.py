"""Group commit: the records that gather while a batch commits form the next batch."""

from aiokafka import ConsumerRecord

from stream.lane.buffer import BUFFER_BYTES_MAX, Batch, PartitionBuffer, size_bytes


def fetched(begin: int, offsets: list[int], end: int) -> Batch:
    records = [ConsumerRecord("t", 0, offset, 0, 0, b"", b"", None, 0, 0, ()) for offset in offsets]
    return Batch(0, begin, end, records)


def offsets(batch: Batch | None) -> list[int]:
    return [] if batch is None else [record.offset for record in batch.records]


def test_only_the_first_of_what_gathers_wakes_the_agent() -> None:
    buffer = PartitionBuffer(0, batch_records_max=10, buffer_records_max=100)
    assert [buffer.put(fetched(0, [0, 1], 2)), buffer.put(fetched(2, [2], 3))] == [True, False]
    assert offsets(buffer.take()) == [0, 1, 2]
    assert buffer.take() is None
    assert buffer.put(fetched(3, [3], 4))


# While the agent serves a partition, for minutes at the end of a month, it takes none of Faust's messages: after 4 096
# of them Faust would fetch nothing more.
def test_the_agent_is_not_woken_while_it_serves_the_buffer() -> None:
    buffer = PartitionBuffer(0, batch_records_max=10, buffer_records_max=100)
    buffer.served = True
    for n in range(3):
        assert not buffer.put(fetched(n, [n], n + 1))
        assert offsets(buffer.take()) == [n]
    buffer.served = False
    assert buffer.put(fetched(3, [3], 4))


def test_a_closed_buffer_wants_nothing() -> None:
    buffer = PartitionBuffer(0, batch_records_max=10, buffer_records_max=100)
    buffer.put(fetched(0, [0], 1))
    buffer.behind = True
    assert buffer.wants_batch
    buffer.close()
    assert (buffer.wants_batch, buffer.waiting, buffer.take()) == (False, 0, None)


def test_a_batch_covers_the_offsets_that_hold_no_record() -> None:
    buffer = PartitionBuffer(0, batch_records_max=10, buffer_records_max=100)
    buffer.put(fetched(5, [7, 9], 12))
    buffer.put(fetched(12, [15], 16))
    batch = buffer.take()
    assert batch is not None
    assert (batch.begin, offsets(batch), batch.end) == (5, [7, 9, 15], 16)


def test_a_large_fetch_is_cut_where_the_next_record_begins() -> None:
    buffer = PartitionBuffer(0, batch_records_max=2, buffer_records_max=100)
    buffer.put(fetched(0, [1, 3, 6, 7, 8], 20))
    taken = [buffer.take() for _ in range(3)]
    assert [(b.begin, offsets(b), b.end) for b in taken if b] == [(0, [1, 3], 6), (6, [6, 7], 8), (8, [8], 20)]


def test_a_buffer_is_full_by_its_records_and_empty_again_when_cleared() -> None:
    buffer = PartitionBuffer(0, batch_records_max=2, buffer_records_max=3)
    buffer.put(fetched(0, [0, 1, 2], 3))
    assert buffer.full
    buffer.clear()
    assert (buffer.full, buffer.waiting, buffer.take()) == (False, 0, None)
    assert buffer.put(fetched(9, [9], 10))


def test_a_buffer_is_full_by_its_bytes_too() -> None:
    value = b"v" * (BUFFER_BYTES_MAX // 4)
    records = [ConsumerRecord("t", 0, n, 0, 0, b"", value, None, 0, 0, (("h", b"x"),)) for n in range(4)]
    buffer = PartitionBuffer(0, batch_records_max=3, buffer_records_max=100)
    buffer.put(Batch(0, 0, 1, records[:1], size_bytes(records[:1])))
    assert not buffer.full
    buffer.put(Batch(0, 1, 4, records[1:], size_bytes(records[1:])))
    assert buffer.full
    taken = [buffer.take(), buffer.take()]
    assert [offsets(batch) for batch in taken] == [[0], [1, 2, 3]]
    assert (buffer.full, buffer.waiting_bytes) == (False, 0)
    buffer.put(Batch(0, 4, 8, records, size_bytes(records)))
    assert offsets(buffer.take()) == [0, 1, 2]
    assert buffer.waiting_bytes == size_bytes(records[3:])
