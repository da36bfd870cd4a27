"""A worker as `python -m stream worker` starts it, with the small rule of `tally.py` in place of the product's.

TALLY_DIE_AT=N kills the process at its N-th commit, when rows, outputs and offset are written and only the end of the
transaction is missing.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence

from aiokafka.protocol.transaction import EndTxnRequest

from stream import log
from stream.settings import Settings
from stream.topology import build_app
from stream.transaction import Entry, PartitionWriter
from stream.worker import run
from tests.broker.tally import TallyWallets, check_row


class DyingWriter(PartitionWriter):
    commits_left = int(os.environ.get("TALLY_DIE_AT", "0"))

    async def commit(self, entries: Mapping[str, Sequence[Entry]], end_offset: int) -> None:
        if entries:  # A batch of ticks alone writes nothing: dying there would show nothing.
            DyingWriter.commits_left -= 1
        await super().commit(entries, end_offset)

    async def _ask_transactions(self, request: object) -> None:
        if isinstance(request, EndTxnRequest) and DyingWriter.commits_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await super()._ask_transactions(request)


if __name__ == "__main__":
    settings = Settings()
    log.configure(settings.log_level)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build_app(settings, wallets=TallyWallets(), check_row=check_row)
    if "TALLY_DIE_AT" in os.environ:
        app.writer_class = DyingWriter
    run(app, loop)
