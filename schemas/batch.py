"""The records of a batch and its result: the interface between the wallet's rules and the process that runs them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

Headers = Sequence[tuple[str, bytes | None]]


class Record(Protocol):
    """One input as read from the log. `aiokafka.ConsumerRecord` is one, and so is a line of a replay."""

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
    @property
    def timestamp_type(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record of the log that cannot be read: its address, and the size and hash of its bytes. It is a Record without
    key and value.

    `size` and `sha256` (hexadecimal) belong to what `measured` names: the `record` in its unpacked batch, after its
    length; the stored `batch`, where the record cannot be separated from its neighbours; or the `value`, where the
    record was read but its result could not be committed.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    size: int
    sha256: str
    why: str
    measured: Literal["record", "batch", "value"] = "record"
    key: bytes | None = None
    value: None = None
    headers: Headers = ()
    timestamp_type: int | None = None


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to publish. `topic` is the contract's name (`charges`), `key` the account id, `value` flat JSON.

    Only a dead letter, which is the input as it arrived, may lack key or value.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True)
class BatchResult:
    """What a batch of inputs changes and publishes, to be committed in one transaction with the batch's end offset.

    `rows` holds each changed row once, in order of first change; None is a tombstone. `tally` counts for the metrics:
    ("inputs", outcome), ("dead_letters", code), ("unbilled", code) for dead letters that end a call, ("facts", type),
    ("gate", reason). By currency, `charged_micros` is the money charged and `given_back_micros` the reductions by
    adjustments; neither is negative. `clock_ms` is the partition's clock after the batch and `arrived_ms` its newest
    broker timestamp, None where there is none. `dropped_plans` are accounts whose scheduled plan change could not be
    made, each with the plan (rule K3).
    """

    rows: list[tuple[str, bytes | None]] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    charged_micros: Counter[str] = field(default_factory=Counter)
    clock_ms: int | None = None
    arrived_ms: int | None = None
    given_back_micros: Counter[str] = field(default_factory=Counter)
    dropped_plans: list[tuple[str, str]] = field(default_factory=list)
