"""Reads from a dead letter's headers which input it belongs to and why that input was refused."""

from dataclasses import dataclass

from aiokafka import ConsumerRecord

from agents.wallet.dead_letter import OURS


@dataclass(frozen=True, slots=True)
class Letter:
    """The headers that the worker added to a refused input: the refusal's code, and the input's address."""

    code: str
    topic: str
    partition: int
    offset: int
    cut: bool


def read_letter(record: ConsumerRecord) -> Letter | None:
    """None if no worker wrote the record. The worker's headers come last, so they override a producer's of the same
    names.
    """
    ours = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers if name.startswith(OURS)}
    try:
        return Letter(
            ours[f"{OURS}code"],
            ours[f"{OURS}topic"],
            int(ours[f"{OURS}partition"]),
            int(ours[f"{OURS}offset"]),
            f"{OURS}cut" in ours,
        )
    except (KeyError, ValueError):
        return None
