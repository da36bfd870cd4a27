"""The reader of single events of the log."""

import asyncio
import gc
from typing import Any

from agents.notifier.log_reader import LogReader
from stream.evidence import committed_reader
from stream.settings import Settings


async def test_a_reader_that_has_read_nothing_is_closed_without_a_complaint() -> None:
    """A partition may be given up before an event is read again. aiokafka reports a consumer that is only dropped."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    consumer = committed_reader(Settings().connection, "no-group", fetch_bytes=1)
    reader = LogReader(consumer, 0, str)
    await reader.close()
    del consumer, reader
    gc.collect()
    assert complaints == []
