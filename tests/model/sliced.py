"""A history as a worker decides it: in batches, with timed work in slices between them, and with restarts."""

import json
from collections import defaultdict
from collections.abc import Sequence
from random import Random

import orjson

from agents.wallet.book import TURN_UNITS
from agents.wallet.clock import Timing
from backoffice.replay import Time, replay_lines
from schemas.codec import read_arrival
from schemas.plan import Catalogue
from tests.agents.partition import InputRecord, Partition, header

BATCH_MAX = 3
WHOLE = 10**9
SLICES = {"1": 1, "7": 7 * TURN_UNITS, "all at once": WHOLE}

Facts = dict[str, dict[str, bytes]]  # By account, by id, in order.


def record_of(line: bytes, offset: int) -> InputRecord:
    event = json.loads(line)
    key = str(event.get("account_id")).encode()
    arrived = read_arrival(line)
    if isinstance(arrived, int):
        return InputRecord(key, line, offset=offset, timestamp=arrived, timestamp_type=1)
    return InputRecord(key, line, offset=offset)


class SlicedRun:
    """The outputs of a run: facts by account, in order, snapshots by their id, and dead letters."""

    def __init__(self, catalogue: Catalogue, time: Time, slice_units: int) -> None:
        self.partition = Partition(
            catalogue=catalogue, timing=Timing(by_ticks=time == "ticks"), slice_units=slice_units
        )
        self.catalogue = catalogue
        self.facts: Facts = defaultdict(dict)
        self.snapshots: dict[str, bytes] = {}
        self.letters: dict[int, str] = {}

    def play(self, lines: Sequence[bytes], random: Random) -> None:
        """Batches of a few records, an idle slice or a restart between some of them; in the end all work is done."""
        begin = 0
        while begin < len(lines):
            end = begin + random.randint(1, BATCH_MAX)
            self._decide(*(record_of(line, begin + n) for n, line in enumerate(lines[begin:end])))
            begin = end
            self._pause(random)
        while self.partition.wallets.overdue(0):
            self._decide()
            self._pause(random)

    def _pause(self, random: Random) -> None:
        if random.random() < 0.2 and self.partition.wallets.overdue(0):
            self._decide()
        if random.random() < 0.1:
            self.partition = self.partition.restarted(self.catalogue)

    def _decide(self, *records: InputRecord) -> None:
        for output in self.partition.decide(*records).outputs:
            assert output.key is not None
            if output.topic == "dead-letters":
                self.letters[int(header(output, "errors.offset") or "-1")] = header(output, "errors.code") or ""
                continue
            assert output.value is not None
            if output.topic == "account-snapshots":
                snapshot_id = header(output, "ce_id")
                assert snapshot_id is not None
                assert snapshot_id not in self.snapshots, "one snapshot for each version"
                self.snapshots[snapshot_id] = output.value
            else:
                known = self.facts[output.key.decode()]
                fact_id = header(output, "ce_id")
                assert fact_id is not None
                # A fact on two topics is the same record twice (rule P19).
                assert known.setdefault(fact_id, output.value) == output.value


def replayed(lines: Sequence[bytes], catalogue: Catalogue, time: Time) -> tuple[Facts, dict[int, str]]:
    """Facts by account as `replay` writes them, and the codes of dead letters by offset."""
    facts: Facts = defaultdict(dict)
    letters: dict[int, str] = {}
    for fact in replay_lines(lines, catalogue, time):
        if fact["type"] == "dead-letter":
            letters[fact["line"] - 1] = fact["code"]
        else:
            facts[fact["account_id"]][fact["id"]] = orjson.dumps(fact)
    return facts, letters
