"""What the calls of a gateway share: one of each in a process."""

import asyncio
import math
import time
from dataclasses import dataclass, field

from backoffice.documents.issuer import Issuer, Logo
from gateway.commands.inputs import AHEAD_MAX_MS
from gateway.commands.service import Commands
from gateway.gate.gate import Gate
from gateway.http.key_file import KeyRing
from gateway.log.reader import LogReader
from gateway.log.writer import LogWriter
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.streams.streams import Streams
from schemas.plan import Catalogue
from stream.redis_connection import Client


@dataclass(slots=True)
class Parts:
    """The parts of one process. `redis` has time-outs for requests; its errors become `unavailable`. `stopping` is set
    when the process begins to end: streams end then. `issuer` is the sender of documents, with its logo.
    """

    settings: Settings
    keys: KeyRing
    metrics: Metrics
    redis: Client
    writer: LogWriter
    reader: LogReader
    commands: Commands
    gate: Gate
    streams: Streams
    plans: Catalogue
    issuer: tuple[Issuer, Logo | None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def clock_ms(self) -> int:
        """Now, for an input that leaves its time out: the wall clock; in a simulation the time of the newest event."""
        return (self.settings.simulation and self.reader.newest_occurred_ms) or time.time_ns() // 1_000_000

    def latest_ms(self) -> float:
        """The latest time that an input may have. A simulation in which nothing has happened may begin at any."""
        begins = self.settings.simulation and not self.reader.newest_occurred_ms
        return math.inf if begins else self.clock_ms() + AHEAD_MAX_MS
