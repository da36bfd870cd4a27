"""A start whose decision is not known yet."""

import asyncio
from typing import NamedTuple

from gateway.gate.decision import Decision
from gateway.gate.start import Start


class CallKey(NamedTuple):
    """A call: its id is unique within its account."""

    account_id: str
    call_id: str


class Pending:
    """One call's start, from before it is written until its decision is known or it is given up.

    `decided` then has the decision, None for a start that was given up. `policy` is the first answer that was given
    without the engine's. `reported`: the engine has taken the start and decided nothing, so the call was known to it.
    `address` is empty until the broker has acknowledged the start.
    """

    __slots__ = ("acknowledged_s", "address", "call", "decided", "input_id", "policy", "reported", "until_s", "value")

    def __init__(
        self, start: Start, policy: Decision | None, decided: asyncio.Future[Decision | None], until_s: float
    ) -> None:
        self.call = CallKey(start.account_id, start.call_id)
        self.input_id, self.value = start.input_id, start.value
        self.decided, self.until_s = decided, until_s
        self.policy = policy
        self.reported = False
        self.address: tuple[int, int] | None = None
        self.acknowledged_s = 0.0

    @property
    def logged(self) -> bool:
        return self.address is not None
