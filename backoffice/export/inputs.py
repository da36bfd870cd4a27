"""The inputs that took effect, in an order in which `replay` gives the events that the workers published."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from agents.wallet.agent import LOG_APPEND_TIME, Wallets
from backoffice.export.lines import input_line
from backoffice.export.log import Selection, SideBySide, spans_of
from backoffice.export.order import Clocks, Waiting, next_partitions
from schemas.codec import Unreadable
from schemas.plan import load_catalogue
from stream import topics
from stream.repair.cluster import Cluster
from stream.repair.dead_letters import read_letter
from stream.repair.failure import progress


@dataclass(slots=True)
class Counts:
    """`inputs` without ticks; `refused` were left out because of a dead letter, or because they can never be accepted;
    `uneven` ticks are not on every partition.
    """

    inputs: int = 0
    ticks: int = 0
    refused: int = 0
    uneven: int = 0


@dataclass(slots=True)
class InputReader:
    """Reads records of the input topic, and leaves out those that had no effect or are not in the selection."""

    selection: Selection
    refused: Mapping[int, set[int]]
    wallets: Wallets
    counts: Counts = field(default_factory=Counts)
    clocks: Clocks = field(default_factory=Clocks)

    def read(self, record: ConsumerRecord) -> Waiting | None:
        if record.offset in self.refused.get(record.partition, ()):
            self.counts.refused += 1
            return None
        event = self.wallets.read(record)
        if isinstance(event, Unreadable):
            # Its dead letter may be deleted by now: letters are not kept as long as inputs.
            self.counts.refused += 1
            return None
        arrived_ms = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else None
        waiting = Waiting(record.timestamp, record.offset, event, arrived_ms)
        tick = waiting.tick
        if tick is not None:
            # Every tick moves the clock, also one from before `--from`: a later one with an older time is a repeat.
            wanted = self.clocks.advance(record.partition, tick)
        else:
            wanted = self.selection.account_id in {None, event.account_id}
        return waiting if wanted and self.selection.has_time(record.timestamp) else None


async def export_inputs(cluster: Cluster, selection: Selection, write: Callable[[bytes], object]) -> Counts:
    """Write the decided inputs that no dead letter names, each tick once, with the partitions that have it if not all
    have.
    """
    settings, letters = cluster.settings, cluster.settings.topic(topics.DEAD_LETTERS)
    await cluster.check_partitions(cluster.inputs, letters)
    spans, deleted = await spans_of(cluster, cluster.inputs, selection)
    spans = await _decided_spans(cluster, spans)
    if deleted:
        progress(f"{cluster.inputs}: the first inputs have been deleted, so the file lacks them")
    await cluster.wait_until_readable(letters)
    refused = await _read_refused(cluster, letters, spans)
    reader = InputReader(selection, refused, Wallets(load_catalogue(), (), settings.partitions))
    await _merge(SideBySide(cluster, cluster.inputs, spans, reader.read), reader.counts, write)
    return reader.counts


async def _merge(side_by_side: SideBySide[Waiting], counts: Counts, write: Callable[[bytes], object]) -> None:
    async for heads in side_by_side.heads():
        chosen = next_partitions(heads)
        waiting = heads[chosen[0]]
        if waiting.tick is None:
            counts.inputs += 1
            write(input_line(waiting.event, waiting.arrived_ms))
        else:
            # It stands for its copies on all partitions, each with its own time of arrival, so it is written without.
            counts.ticks += 1
            counts.uneven += len(chosen) < len(heads)
            write(input_line(waiting.event, None, None if side_by_side.partitions == set(chosen) else sorted(chosen)))
        for partition in chosen:
            side_by_side.take(partition)


async def _decided_spans(cluster: Cluster, spans: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """The spans up to the inputs that are decided: of later ones nobody knows yet whether they are refused."""
    decided = await cluster.decided()
    unknown = [partition for partition, (begin, end) in spans.items() if partition not in decided and begin < end]
    if unknown:
        group = cluster.settings.app_id
        progress(
            f"the group {group} has committed no offset of partition {unknown[0]}: all of its inputs count as decided"
        )
    return {p: (begin, max(begin, min(end, decided.get(p, end)))) for p, (begin, end) in spans.items()}


async def _read_refused(cluster: Cluster, letters: str, spans: Mapping[int, tuple[int, int]]) -> dict[int, set[int]]:
    """The offsets of the inputs that dead letters name, by partition. A letter is in its input's partition."""
    refused: dict[int, set[int]] = {partition: set() for partition in spans}
    bounds = await cluster.bounds(letters)
    for partition, (first, _) in spans.items():
        begin, end = bounds[partition]
        async for records in cluster.records(letters, partition, begin, end):
            for record in records:
                letter = read_letter(record)
                if letter is not None and (letter.topic, letter.partition) == (cluster.inputs, partition):
                    refused[partition].add(letter.offset)
        if begin and first < min(refused[partition], default=first + 1):
            progress(
                f"{letters}/{partition}: the first dead letters have been deleted, so inputs that were refused before"
                " are in the file; replay refuses them again, except those without a valid signature"
            )
    return refused
