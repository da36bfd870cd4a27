"""The outcome of an input that was written, from what the engine committed with it. Nothing here is a guess after a
while: an outcome is known, or it is still pending.
"""

import asyncio
from typing import Literal

import msgspec
from aiokafka.errors import KafkaError

from gateway.log.reader import LogReader
from gateway.log.trace import Trace
from gateway.log.writer import Address
from stream import log

logger = log.get("gateway.log")

# An accepted or refused input shows itself. Only for a repeat the engine's offset is asked, at first after this long.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.03, 0.5
RETRY_S = 0.1
UNKNOWN_ACCOUNT = "unknown_account"


class Outcome(msgspec.Struct, frozen=True):
    """`accepted`: it took effect; `version` is the account's after it, `facts` what it caused, as published.

    `repeat`: an input of this id had taken effect before; `version` is one that was seen since, or None. `refused`:
    `code` and `message` are those of the dead letter. A `call-started` of an account that does not exist leaves no
    dead letter but is refused all the same, as `unknown_account`.
    """

    kind: Literal["accepted", "repeat", "refused"]
    version: int | None = None
    facts: list[bytes] = []
    code: str = ""
    message: str = ""


async def outcome(reader: LogReader, trace: Trace, address: Address, deadline_s: float) -> Outcome | None:
    """What became of the input at `address`; None when that is not known at `deadline_s`, in the loop's time.

    `trace` was opened before the input was written, and was told the address.
    """
    try:
        async with asyncio.timeout_at(deadline_s):
            return await _settled(reader, trace, address)
    except TimeoutError:
        return None


async def _settled(reader: LogReader, trace: Trace, address: Address) -> Outcome:
    loop = asyncio.get_running_loop()
    pause_s = FIRST_PAUSE_S
    ask_at_s = loop.time() + pause_s
    while True:
        if trace.refusal is not None:
            return Outcome("refused", code=trace.refusal.code, message=trace.refusal.message)
        if trace.accepted_version is not None:
            await pass_ends(reader, address.partition)
            return Outcome("accepted", trace.accepted_version, trace.facts())
        if loop.time() < ask_at_s:
            await trace.changed(ask_at_s - loop.time())
        elif not await _is_committed(reader, address):
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
            ask_at_s = loop.time() + pause_s
        else:
            await pass_ends(reader, address.partition)
            if trace.refusal is None and trace.accepted_version is None:
                return _without_effect(trace)


def _without_effect(trace: Trace) -> Outcome:
    if trace.redirected_as == UNKNOWN_ACCOUNT:
        return Outcome("refused", code=UNKNOWN_ACCOUNT, message="there is no such account")
    return Outcome("repeat", trace.version)


async def _is_committed(reader: LogReader, address: Address) -> bool:
    try:
        return await reader.committed(address.partition) > address.offset
    except KafkaError as error:
        logger.debug("the engine's offset is not known now", error=repr(error))
        return False


async def pass_ends(reader: LogReader, partition: int) -> None:
    """Wait until the reader has passed the ends of the partition as they are now."""
    while True:
        try:
            ends = await reader.ends(partition)
        except KafkaError as error:
            logger.debug("the ends are not known now", error=repr(error))
            await asyncio.sleep(RETRY_S)
        else:
            return await reader.passed(partition, ends)
