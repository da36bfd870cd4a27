"""The scheduler serves timed work that no record triggers."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

from stream.lane.buffer import PartitionBuffer
from stream.lane.scheduler import BatchScheduler


@dataclass
class App:
    """The parts of the worker's app that the scheduler reads."""

    buffers: dict[int, PartitionBuffer]
    ready: bool = True
    settings: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(partitions=3))


class RecordingScheduler(BatchScheduler):
    """Records the partitions it serves. Partition 0 has inputs without end."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.seen = asyncio.Queue[int]()

    async def serve(self, buffer: PartitionBuffer) -> None:
        buffer.served = True
        self.seen.put_nowait(buffer.partition)
        if buffer.partition == 0:
            await asyncio.Event().wait()
        buffer.served = buffer.behind = False


async def test_a_partition_with_inputs_without_end_does_not_delay_the_timed_work_of_another() -> None:
    buffers = {number: PartitionBuffer(number, 10, 10) for number in range(3)}
    for buffer in buffers.values():
        buffer.behind = True
    scheduler = RecordingScheduler(App(buffers))
    await scheduler.start()
    try:
        async with asyncio.timeout(20):
            assert [await scheduler.seen.get() for _ in buffers] == [0, 1, 2]
    finally:
        await scheduler.stop()
