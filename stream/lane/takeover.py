"""Decides where the new owner of a partition starts: at the offset of the checkpoint, checked against the group's.

The checkpoint, the partition's own row, is committed in one transaction with everything that depends on it, so it is
right. The group's offset is committed in the same transaction, but a broker that was killed reports older offsets or
none for about a second, without an error, and a group may be deleted or set by hand. Pure: the caller passes the
group's answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from schemas.rows import Checkpoint

# A broker that was killed and restarted gave wrong answers for about a second, in four of four runs.
QUERY_FOR_S = 5.0
QUERY_EVERY_S = 0.2
AGREE_FOR_S = 1.0
# If the answers keep changing, another program commits for this group, and no offset can be trusted.
DISAGREE_FOR_S = 30.0

STATE_LOST = "docs/operations/runbook.md, `State is lost: which tool when`"


class How(StrEnum):
    """How the start offset was determined, for the log and the metric."""

    NEW = "new"  # The partition was never processed: start at the beginning of the inputs.
    AGREED = "agreed"  # The checkpoint and the group have the same offset.
    GROUP_BEHIND = "group_behind"  # The group stayed below the checkpoint: start at the checkpoint.
    NO_GROUP = "no_group"  # The group has no offset: start at the checkpoint.
    NO_ROW = "no_row"  # State of an earlier version: start at the group's offset, once its answers agree for a second.


class Answer(NamedTuple):
    """The group's answer `at_s` seconds after the first request. `offset` is None when the group has none."""

    at_s: float
    offset: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """The state found for a partition. `row` is the offset in its checkpoint, None without one; `empty` is true when
    there is no state at all; `inputs_begin` is the first input offset that is kept.
    """

    row: int | None
    empty: bool
    inputs_begin: int


class Start(NamedTuple):
    how: How
    offset: int


class Refusal(NamedTuple):
    """A start would lose or repeat inputs; `reason` names the missing state."""

    reason: str


def decide(found: Found, answers: Sequence[Answer]) -> Start | Refusal | None:
    """Where to start; None: query the group's offset again. `answers` holds all answers so far, oldest first, at least
    one.
    """
    if found.row is not None:
        return _by_row(found.row, answers[-1])
    return _new(found, answers) if found.empty else _by_group(answers)


def _by_row(row: int, last: Answer) -> Start | Refusal | None:
    if last.offset == row:
        return Start(How.AGREED, row)
    if last.at_s < QUERY_FOR_S:
        return None
    if last.offset is None:
        return Start(How.NO_GROUP, row)
    if last.offset < row:
        return Start(How.GROUP_BEHIND, row)
    return Refusal(
        "the group is ahead of the checkpoint: the changelog lost its end, or the group's offsets were set by hand"
    )


def _new(found: Found, answers: Sequence[Answer]) -> Start | Refusal | None:
    # One answer that inputs were consumed is enough: a wrong answer is always too low, never too high.
    if all(answer.offset is None or answer.offset <= found.inputs_begin for answer in answers):
        return Start(How.NEW, found.inputs_begin)
    if answers[-1].at_s < QUERY_FOR_S:
        return None
    return Refusal("the changelog is empty though the group has consumed inputs")


def _by_group(answers: Sequence[Answer]) -> Start | Refusal | None:
    last = answers[-1]
    if last.offset is None:
        reason = "the changelog has rows, but neither a checkpoint nor the group has an offset for them"
        return Refusal(reason) if last.at_s >= QUERY_FOR_S else None
    if last.at_s >= DISAGREE_FOR_S:
        return Refusal("the group's answers do not agree: another program commits offsets for it")
    agreed_since_s = last.at_s
    for answer in reversed(answers):
        if answer.offset != last.offset:
            break
        agreed_since_s = answer.at_s
    return Start(How.NO_ROW, last.offset) if last.at_s - agreed_since_s >= AGREE_FOR_S else None


def missing_state(checkpoint: Checkpoint, rows: int, balances: Mapping[str, int]) -> str | None:
    """How a table of `rows` rows and `balances` by currency differs from its checkpoint, None when it does not."""
    if rows != checkpoint.rows:
        return f"the changelog has {rows} rows, its checkpoint counts {checkpoint.rows}"
    if dict(balances) != checkpoint.balances:
        return f"the balances sum to {dict(balances)}, its checkpoint has {checkpoint.balances}"
    return None
