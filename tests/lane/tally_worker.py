"""A worker as `tollgate worker` starts it, with the small rule of `tally.py` in place of the product's.

TALLY_DIE_AT=N kills the process at its N-th commit, when rows, outputs and offset are written and only the end of the
transaction is missing. TALLY_SEEK_S=N makes each seek take N seconds, as on a busy machine. TALLY_DEAF leaves
the consumer stopped after the first commit, as a rebalance that does not end would.
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import TopicPartition
from aiokafka.protocol.transaction import EndTxnRequest

from stream import log
from stream.lane import transport as batches
from stream.lane.transaction import Entry, PartitionWriter
from stream.settings import Settings
from stream.topology import Tollgate, build_app
from stream.worker import run
from tests.lane.tally import TallyWallets, check_row


class DyingWriter(PartitionWriter):
    commits_left = int(os.environ.get("TALLY_DIE_AT", "0"))

    async def commit(self, entries: Mapping[str, Sequence[Entry]], end_offset: int) -> dict[str, int]:
        if len(entries) > 1:  # A batch of ticks alone writes no facts: dying there would show nothing.
            DyingWriter.commits_left -= 1
        return await super().commit(entries, end_offset)

    async def _send_to_transaction_coordinator(self, request: object) -> None:
        if isinstance(request, EndTxnRequest) and DyingWriter.commits_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await super()._send_to_transaction_coordinator(request)


class SlowThread(batches.BatchConsumerThread):
    async def seek_inputs(self, offsets: Mapping[TopicPartition, int], paused: Iterable[TopicPartition]) -> None:
        await asyncio.sleep(float(os.environ["TALLY_SEEK_S"]))
        await super().seek_inputs(offsets, paused)


class DeafeningWriter(PartitionWriter):
    app: Tollgate

    async def commit(self, entries: Mapping[str, Sequence[Entry]], end_offset: int) -> dict[str, int]:
        ends = await super().commit(entries, end_offset)
        DeafeningWriter.app.consumer.stop_flow()
        return ends


if __name__ == "__main__":
    settings = Settings()
    log.configure(settings.log_level)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build_app(settings, wallets=TallyWallets(), check_row=check_row)
    if "TALLY_DIE_AT" in os.environ:
        app.writer_class = DyingWriter
    if "TALLY_SEEK_S" in os.environ:
        batches.BatchConsumer.thread_class = SlowThread
    if "TALLY_DEAF" in os.environ:
        app.writer_class = DeafeningWriter
        DeafeningWriter.app = app
    run(app, loop)
