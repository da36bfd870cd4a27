"""What goes into a batch and what comes out of it: the border between the wallet's rules and whoever runs them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

Headers = Sequence[tuple[str, bytes | None]]


class Record(Protocol):
    """One input as it came from the log. `aiokafka.ConsumerRecord` is one; so is a line of a replay."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to publish. `topic` is the contract's name (`charges`), `key` the account id, `value` flat JSON.

    Only a dead letter may lack key or value: it is the input as it came.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True)
class Outcome:
    """What a batch of inputs changes, all of it to be committed in one transaction with the batch's end offset.

    `rows` holds each changed row once, in key order of first change; None is a tombstone. `tally` counts for the
    metrics: ("inputs", outcome), ("dead_letters", code), ("facts", type), ("gate", reason). `charged_micros` is the
    money charged, net of adjustments, by currency.
    """

    rows: list[tuple[str, bytes | None]] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    charged_micros: Counter[str] = field(default_factory=Counter)
