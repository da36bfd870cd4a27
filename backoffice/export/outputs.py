"""Published events and dead letters, topic by topic, as they are in the log."""

from collections import Counter
from collections.abc import Callable, Sequence

from aiokafka import ConsumerRecord

from backoffice.export.lines import fact_line, letter_line
from backoffice.export.log import Selection, spans_of
from stream import topics
from stream.repair.cluster import Cluster
from stream.repair.failure import progress

SNAPSHOTS = "account-snapshots"
# What `--topics` may name, and what is written without it.
OUTPUTS = tuple(topic.name for topic in topics.CONTRACT if topic.name != topics.INPUTS)


async def export_outputs(
    cluster: Cluster, names: Sequence[str], selection: Selection, write: Callable[[bytes], object]
) -> Counter[str]:
    """Write the records of these topics of the contract. Returns their number by topic.

    Within a topic an account's events are in the order of the log. All ends are read before the first record.
    """
    full = {name: cluster.settings.topic(name) for name in names}
    await cluster.check_partitions(*full.values())
    spans = {}
    for name in names:
        spans[name], deleted = await spans_of(cluster, full[name], selection)
        if deleted and name != SNAPSHOTS:
            progress(f"{full[name]}: the first records have been deleted")
    counts = Counter[str]()
    for name in names:
        for partition, (begin, end) in spans[name].items():
            async for records in cluster.records(full[name], partition, begin, end):
                for line in _lines(name, records, selection):
                    write(line)
                    counts[name] += 1
    return counts


def _lines(name: str, records: Sequence[ConsumerRecord], selection: Selection) -> list[bytes]:
    key = None if selection.account_id is None else selection.account_id.encode()
    wanted = [r for r in records if key in {None, r.key} and selection.has_time(r.timestamp)]
    if name == topics.DEAD_LETTERS:
        return [letter_line(record.key, record.value, record.headers) for record in wanted]
    return [fact_line(name, record.value) for record in wanted if record.value]
