"""Waits for topics that were just created."""

import asyncio
from typing import Any

from aiokafka.errors import LeaderNotAvailableError

# A broker answers for a new topic once it has read it from the metadata log, a moment after its creation.
KNOWN_WITHIN_S = 10.0
ASK_EVERY_S = 0.1


async def wait_until_led(admin: Any, names: set[str], partitions: int) -> None:
    """Return once the broker lists all partitions of the topics with a leader. Raises KafkaError after KNOWN_WITHIN_S.

    A member that joins its group before that would share out none of their partitions, and nobody would own them until
    the client reads the metadata again, minutes later.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + KNOWN_WITHIN_S
    while True:
        listed = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        led = {name: sum(one["leader"] >= 0 for one in listed.get(name, ())) for name in names}
        waiting = sorted(name for name, count in led.items() if count < partitions)
        if not waiting:
            return
        if now() > deadline:
            raise LeaderNotAvailableError(f"{waiting[0]}: created, but the broker does not list all of its partitions")
        await asyncio.sleep(ASK_EVERY_S)
