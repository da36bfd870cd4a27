"""The rights on Kafka that each process needs, and no more, as data.

The table in docs/security.md, `tollgate rights`, the check at the start of each process and the tests all come from it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from stream import topics
from stream.lane.lost_state import State
from stream.settings import Settings


class Operation(IntEnum):
    """Kafka's operations, with the protocol's codes. Read, Write and Delete include Describe, and AlterConfigs includes
    DescribeConfigs.
    """

    Read = 3
    Write = 4
    Create = 5
    Delete = 6
    Describe = 8
    DescribeConfigs = 10
    AlterConfigs = 11


class Kind(IntEnum):
    """Kafka's kinds of resources, with the protocol's codes."""

    topic = 2
    group = 3
    transactional_id = 5

    def __str__(self) -> str:
        return self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on the resources `names`, literally, and why the process needs it."""

    operation: Operation
    kind: Kind
    names: tuple[str, ...]
    why: str


Rights = tuple[Right, ...]


def on_topics(operation: Operation, names: Iterable[str], why: str) -> Right:
    return Right(operation, Kind.topic, tuple(names), why)


def on_group(operation: Operation, name: str, why: str) -> Right:
    return Right(operation, Kind.group, (name,), why)


def transactions(app_id: str, partitions: int, why: str) -> Right:
    """Each id by its name: the ids of the payment adapter begin like those of the worker."""
    ids = tuple(f"{app_id}-{partition}" for partition in range(partitions))
    return Right(Operation.Write, Kind.transactional_id, ids, why)


def worker(settings: Settings) -> Rights:
    inputs, rows = settings.topic(topics.INPUTS), topics.changelog(settings)
    facts, letters = topics.fact_topics(settings), settings.topic(topics.DEAD_LETTERS)
    ticks = on_topics(Operation.Write, [inputs], "writes the time into the inputs; only with `TOLLGATE_CLOCK=wall`")
    return (
        on_topics(Operation.Read, [inputs], "decides the inputs, and commits how far"),
        *([ticks] if settings.clock == "wall" else []),
        on_topics(Operation.Read, [rows], "restores its state"),
        on_topics(Operation.Write, [rows, *facts, letters], "commits state, events and dead letters"),
        on_topics(Operation.Read, facts, "proves, when its state is empty, that no events were published before"),
        on_topics(Operation.DescribeConfigs, topics.declared(settings), "checks the topics when it starts"),
        on_group(Operation.Read, settings.app_id, "shares the partitions with other workers"),
        transactions(settings.app_id, settings.partitions, "commits, and shuts a former owner out"),
    )


def compare_topics(wanted: Iterable[str]) -> Rights:
    """The rights of `topics`, `payments topics` and `notifier topics` without `--apply`."""
    names = tuple(wanted)
    return (
        on_topics(Operation.Describe, names, "compares the topics"),
        on_topics(Operation.DescribeConfigs, names, "compares their settings"),
    )


def apply_topics(wanted: Iterable[str], states: Iterable[State | None]) -> Rights:
    """The rights of `topics --apply`, `payments topics --apply` and `notifier topics --apply`."""
    names, kept = tuple(wanted), [state for state in states if state is not None]
    used = "makes no topic again whose state was in use"
    written = [name for state in kept for name in state.writes]
    return (
        on_topics(Operation.Describe, names, "compares the topics"),
        on_topics(Operation.Create, names, "creates missing topics"),
        on_topics(Operation.AlterConfigs, names, "compares and changes their settings"),
        *([on_topics(Operation.Read, written, used)] if written else []),
        *(on_group(Operation.Describe, state.group, used) for state in kept),
    )


def backup(settings: Settings) -> Rights:
    inputs, rows = settings.topic(topics.INPUTS), topics.changelog(settings)
    return (
        on_topics(Operation.Read, [rows], "copies the state"),
        on_topics(Operation.Read, [inputs], "counts the inputs that are not decided yet"),
        on_group(Operation.Describe, settings.app_id, "waits until open transactions are readable"),
    )


def restore(settings: Settings, *, replace: bool = True) -> Rights:
    """The rights of `restore` and `rebuild`."""
    inputs, rows = settings.topic(topics.INPUTS), topics.changelog(settings)
    published = [*topics.fact_topics(settings), settings.topic(topics.DEAD_LETTERS)]
    return (
        on_topics(Operation.Read, [inputs], "decides inputs again, and commits how far the state goes"),
        on_topics(Operation.Read, published, "compares the state with what was published"),
        on_topics(Operation.Read, [rows], "writes into an empty changelog only"),
        on_topics(Operation.Write, [rows], "writes the state"),
        on_topics(Operation.Create, [rows], "creates the changelog"),
        *([on_topics(Operation.Delete, [rows], "deletes the changelog; only with `--replace`")] if replace else []),
        on_group(Operation.Read, settings.app_id, "checks that no worker runs, and commits"),
        transactions(settings.app_id, settings.partitions, "commits, and shuts workers out"),
    )


def skip(settings: Settings) -> Rights:
    inputs, rows = settings.topic(topics.INPUTS), topics.changelog(settings)
    facts, letters = topics.fact_topics(settings), settings.topic(topics.DEAD_LETTERS)
    return (
        on_topics(Operation.Read, [inputs], "decides the inputs before the record"),
        on_topics(Operation.Read, [rows], "restores the partition"),
        on_topics(Operation.Read, facts, "proves, when the state is empty, that no events were published before"),
        on_topics(Operation.Write, [rows, *facts, letters], "commits like a worker"),
        on_group(Operation.Read, settings.app_id, "checks that no worker runs, and commits"),
        transactions(settings.app_id, settings.partitions, "commits, and shuts workers out"),
    )


def redrive(settings: Settings, *, apply: bool = True) -> Rights:
    inputs, letters = settings.topic(topics.INPUTS), settings.topic(topics.DEAD_LETTERS)
    return (
        on_topics(Operation.Read, [letters], "finds the dead letters"),
        on_topics(Operation.Describe, [inputs], "checks the partitions"),
        *([on_topics(Operation.Write, [inputs], "sends them back; only with `--apply`")] if apply else []),
    )


def export_events(settings: Settings, names: Iterable[str] | None = None) -> Rights:
    """The rights of `export`; without `names`, those of every topic that it can write."""
    every = (*topics.fact_topics(settings), settings.topic(topics.DEAD_LETTERS)) if names is None else names
    return (on_topics(Operation.Read, every, "writes the topics that are asked for"),)


def export_inputs(settings: Settings) -> Rights:
    inputs, letters = settings.topic(topics.INPUTS), settings.topic(topics.DEAD_LETTERS)
    return (
        on_topics(Operation.Read, [inputs], "writes the inputs"),
        on_topics(Operation.Read, [letters], "leaves out what was refused"),
        on_group(Operation.Describe, settings.app_id, "writes what is decided"),
    )


def _compare(settings: Settings) -> Rights:
    return compare_topics(topics.declared(settings))


def _apply(settings: Settings) -> Rights:
    wanted = topics.declared(settings)
    return apply_topics(wanted, [topic.state for topic in wanted.values()])


# By the name of the process or command.
PROCESSES: dict[str, Callable[[Settings], Rights]] = {
    "worker": worker,
    "topics": _compare,
    "topics --apply": _apply,
    "backup": backup,
    "restore": restore,
    "rebuild": restore,
    "skip": skip,
    "redrive": redrive,
    "export": export_events,
    "export --inputs": export_inputs,
}
