"""Where reading begins, and where each target begins, in one partition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.notifier.rows import Mark, MarkKey, Rows
from stream import log

logger = log.get("notifier")


@dataclass(slots=True)
class Starts:
    """The marks of targets and the settled positions, with what the broker knows of the partition.

    `places` are the partitions by the contract's name of their topic; `skipped` counts the records that are too old at
    the very first start, in the topics that a target asks for.
    """

    consumer: AIOKafkaConsumer
    places: Mapping[str, TopicPartition]
    max_age_ms: int
    marks: dict[MarkKey, Mark] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    _not_before_ms: int = 0
    _first: dict[str, int] = field(default_factory=dict)
    _corrected: dict[MarkKey, Mark] = field(default_factory=dict)
    _too_old: dict[str, int] = field(default_factory=dict)

    async def take_over(self, rows: Rows, committed: Mapping[str, int], now_ms: int) -> None:
        """Begin with the rows and the group's offsets, whichever is ahead: a broker may forget offsets, and answers
        older ones for a moment after a crash. Without either this is the very first start.
        """
        self.marks = dict(rows.marks)
        for topic, offset in [*rows.positions.items(), *committed.items()]:
            self.positions[topic] = max(offset, self.positions.get(topic, 0))
        if not self.marks and not self.positions:
            self._not_before_ms = now_ms - self.max_age_ms
            await self._find_first()
        elif not self.marks and not rows.positions:
            # The rows are lost, and the group knows how far it was.
            self._first = dict(committed)
        await self._follow_the_log()

    async def marks_for(self, wanted: Iterable[MarkKey]) -> dict[MarkKey, Mark]:
        """Marks to write: those of pairs of target and topic that had none, which begin now, and corrected ones."""
        corrected, self._corrected = self._corrected, {}
        new = sorted(set(wanted) - self.marks.keys())
        if not new:
            return corrected
        ends = await self.consumer.end_offsets([self.places[topic] for topic in sorted({topic for _, topic in new})])
        made = {
            (target, topic): Mark(
                from_offset=self._first.get(topic, ends[self.places[topic]]),
                not_before_ms=self._not_before_ms,
                old_below=ends[self.places[topic]] if self._not_before_ms else 0,
            )
            for target, topic in new
        }
        self.marks |= made
        self.skipped += sum(self._too_old.pop(topic, 0) for topic in {topic for _, topic in new})
        return corrected | made

    def forget_first(self) -> None:
        """Targets that come later begin with what is published then."""
        self._first, self._too_old, self._not_before_ms = {}, {}, 0

    def position_for(self, topic: str, targets: Sequence[str]) -> int:
        """Where to read the topic for these targets."""
        return max(self.positions.get(topic, 0), min(self.marks[name, topic].from_offset for name in targets))

    async def _find_first(self) -> None:
        """The first event of each topic that is not too old."""
        places = list(self.places.values())
        begins, ends = await self.consumer.beginning_offsets(places), await self.consumer.end_offsets(places)
        found = await self.consumer.offsets_for_times(dict.fromkeys(places, max(0, self._not_before_ms)))
        for topic, place in self.places.items():
            at = found.get(place)
            self._first[topic] = ends[place] if at is None else at.offset
            self._too_old[topic] = self._first[topic] - begins[place]
        self.positions = dict(self._first)

    async def _follow_the_log(self) -> None:
        """Correct positions that the log does not have, with a warning: events are gone, or the topic is another."""
        places = list(self.places.values())
        begins, ends = await self.consumer.beginning_offsets(places), await self.consumer.end_offsets(places)
        self.ends = {topic: ends[place] for topic, place in self.places.items()}
        for topic, place in self.places.items():
            position, begin, end = self.positions.get(topic), begins[place], ends[place]
            if position is None or begin <= position <= end:
                continue
            logger.warning(
                "events were deleted before they were read, or the topic was made again",
                topic=topic,
                partition=place.partition,
                next_offset=position,
                begins=begin,
                ends=end,
            )
            self.positions[topic] = begin
            if position > end:
                self._corrected |= {key: Mark(from_offset=begin) for key in self.marks if key[1] == topic}
        self.marks |= self._corrected
