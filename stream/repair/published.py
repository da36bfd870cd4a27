"""Everything that one partition has published, compact enough to keep in memory: facts by id, dead letters by input
offset, and the newest snapshot and ledger entry of each account.

A fact takes about 250 bytes here, whatever its size: digests replace its id, its cause and its bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import blake2b

import msgspec
from aiokafka import ConsumerRecord

from schemas.facts import REFUSED
from stream import topics
from stream.repair.cluster import Cluster
from stream.repair.dead_letters import read_letter

FACTS = tuple(
    topic.name
    for topic in topics.CONTRACT
    if topic.name not in {topics.INPUTS, topics.DEAD_LETTERS, "account-snapshots"}
)
SNAPSHOTS = "account-snapshots"
DECISIONS = "call-decisions"
_DIGEST = 16
_SLOT = _DIGEST + 8 + 8 + 8


class _Fact(msgspec.Struct):
    """The fields that are read of a fact, of any type."""

    id: str
    account_id: str
    caused_by: str | None = None
    call_id: str | None = None
    reason: str | None = None
    plan_version: int | None = None
    entry_id: str | None = None
    balance_after_micros: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """The fields that are read of an account's snapshot."""

    account_id: str
    version: int
    balance_micros: int
    caused_by: str | None
    plan_version: int


class Entry(msgspec.Struct, frozen=True):
    """An account's newest ledger entry: its number, and the balance after it."""

    number: int
    balance_after_micros: int


_decode_fact = msgspec.json.Decoder(_Fact).decode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode


def digest(*parts: str, size: int = _DIGEST) -> bytes:
    """A digest of the parts, none of which contains a zero byte."""
    return blake2b("\0".join(parts).encode(), digest_size=size).digest()


def short_digest(*parts: str) -> bytes:
    """A digest of 8 bytes, enough to find the input of an unmatched fact; a collision is possible but very rare."""
    return digest(*parts, size=8)


def value_digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=_DIGEST).digest()


class Match(Enum):
    """How a fact compares with the published ones of its topic and id."""

    SAME = auto()
    DIFFERENT = auto()  # Only other bytes were published.
    MISSING = auto()  # Never published, or deleted by retention.


@dataclass(slots=True)
class Published:
    """One partition's outputs.

    `facts` maps topic and id to concatenated slots, one for each record: the digest of its value, the short digests of
    account and cause and of the cause alone, and its offset. `whole` names the topics from which nothing was deleted:
    a fact missing there was never published. `versions` are the catalogue versions in force when a call started or an
    input took effect, where a charge or a snapshot names one.
    """

    facts: dict[bytes, bytes] = field(default_factory=dict)
    letters: dict[int, str] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    versions: dict[bytes, int] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    def letter_may_be_gone(self, offset: int) -> bool:
        """Whether retention may have deleted this input's dead letter. Letters are in the order of their inputs."""
        return topics.DEAD_LETTERS not in self.whole and (not self.letters or offset < min(self.letters))

    def compare(self, topic: str, fact_id: str, value: bytes) -> Match:
        slots = self.facts.get(digest(topic, fact_id))
        if slots is None:
            return Match.MISSING
        return Match.DIFFERENT if self._find(slots, value) is None else Match.SAME

    def contains(self, topic: str, fact_id: str) -> bool:
        """Whether a fact of this id was published, with any bytes."""
        return digest(topic, fact_id) in self.facts

    def remove(self, topic: str, fact_id: str, value: bytes) -> None:
        """Remove the fact of this id, the one with these bytes if there are several. `unmatched` gives the rest."""
        key = digest(topic, fact_id)
        slots = self.facts.get(key)
        if slots is None:
            return
        at = self._find(slots, value) or 0
        rest = slots[:at] + slots[at + _SLOT :]
        if rest:
            self.facts[key] = rest
        else:
            del self.facts[key]

    def unmatched(self) -> Iterator[tuple[bytes, bytes, int]]:
        """For each fact not removed: the short digest of account and cause, that of the cause alone, and its offset."""
        for slots in self.facts.values():
            for at in range(0, len(slots), _SLOT):
                both, cause, offset = (slots[at + n : at + n + 8] for n in (16, 24, 32))
                yield both, cause, int.from_bytes(offset, "big")

    def version_at_start(self, account_id: str, call_id: str) -> int | None:
        return self.versions.get(digest("call", account_id, call_id))

    def version_at(self, account_id: str, input_id: str) -> int | None:
        return self.versions.get(digest("input", account_id, input_id))

    @staticmethod
    def _find(slots: bytes, value: bytes) -> int | None:
        wanted = value_digest(value)
        for at in range(0, len(slots), _SLOT):
            if slots[at : at + _DIGEST] == wanted:
                return at
        return None


async def read_published(cluster: Cluster, partition: int) -> Published:
    """Read everything that the partition has published, from the beginning of each topic."""
    found = Published()
    for name in FACTS:
        begin, end = await _bounds(cluster, name, partition)
        if begin == 0:
            found.whole.add(name)
        async for records in cluster.records(cluster.settings.topic(name), partition, begin, end):
            for record in records:
                _add_fact(found, name, record)
    begin, end = await _bounds(cluster, SNAPSHOTS, partition)
    async for records in cluster.records(cluster.settings.topic(SNAPSHOTS), partition, begin, end):
        for record in records:
            if record.value is not None:
                snapshot = _decode_snapshot(record.value)
                found.snapshots[snapshot.account_id] = snapshot
                cause = digest("input", snapshot.account_id, snapshot.caused_by or "")
                found.versions[cause] = snapshot.plan_version
    await _read_letters(cluster, partition, found)
    return found


async def _read_letters(cluster: Cluster, partition: int, found: Published) -> None:
    begin, end = await _bounds(cluster, topics.DEAD_LETTERS, partition)
    if begin == 0:
        found.whole.add(topics.DEAD_LETTERS)
    async for records in cluster.records(cluster.settings.topic(topics.DEAD_LETTERS), partition, begin, end):
        for record in records:
            letter = read_letter(record)
            if letter is not None and (letter.topic, letter.partition) == (cluster.inputs, partition):
                found.letters[letter.offset] = letter.code


async def _bounds(cluster: Cluster, name: str, partition: int) -> tuple[int, int]:
    return (await cluster.bounds(cluster.settings.topic(name)))[partition]


def _add_fact(found: Published, topic: str, record: ConsumerRecord) -> None:
    if record.value is None:
        return
    fact = _decode_fact(record.value)
    if topic == DECISIONS and fact.reason == REFUSED:
        # The answer to a refused start (rule X2) is no part of the state. Its dead letter
        # records the refusal, and a start in the wrong partition is answered from there.
        return
    key = digest(topic, fact.id)
    cause = fact.caused_by or ""
    slot = (
        value_digest(record.value)
        + short_digest(fact.account_id, cause)
        + short_digest(cause)
        + record.offset.to_bytes(8, "big")
    )
    found.facts[key] = found.facts.get(key, b"") + slot
    if topic == "charges" and fact.call_id is not None and fact.plan_version is not None:
        found.versions.setdefault(digest("call", fact.account_id, fact.call_id), fact.plan_version)
    if fact.entry_id is not None:
        number = int(fact.entry_id.rpartition("/")[2])
        found.entries[fact.account_id] = Entry(number, fact.balance_after_micros)
