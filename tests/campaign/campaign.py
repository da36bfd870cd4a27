"""Workers under load and faults, then the proof that every input had exactly one outcome."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import ConsumerRecord

from devkit.broker import DevBroker
from tests.campaign.crew import Crew
from tests.campaign.faults import Faults
from tests.campaign.load import LOADS, Address, Expected, Load
from tests.lane.stage import CHECKPOINT, PARTITIONS, Stage, wait_until

WORKERS = 3
CALM_S = (1.0, 5.0)  # Between two faults.
STARTED_WITHIN_S = 120.0
SETTLED_WITHIN_S = 120.0


@dataclass
class Report:
    """Counts of what happened in a campaign."""

    rule: str
    inputs: int = 0
    facts: int = 0
    refused: int = 0
    unanswered_sends: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def run(broker: DevBroker, rule: str, seed: int, seconds: float, directory: Path) -> Report:
    """Run load and faults for `seconds`, then check: AssertionError when anything is lost, duplicated or wrong.

    `broker` runs and is the campaign's own.
    """
    chance = random.Random(f"{rule}-{seed}")
    stage = Stage(broker.bootstrap, f"{rule}-{seed}", directory)
    load = LOADS[rule](stage, seed)
    crew = Crew(stage, load.module, load.settings, WORKERS)
    report = Report(rule, endings=crew.endings)
    load.prepare()
    load.start()
    try:
        wait_until(crew.works, "an owner of each partition", STARTED_WITHIN_S)
        _fault(Faults(crew, broker, chance).all(), crew, chance, time.monotonic() + seconds, report)
        load.stop()
        report.unanswered_sends = load.lost
        _wait_applied(stage, crew)
        _check(stage, crew, load, report)
    finally:
        load.stop()
        report.reasons = crew.reasons()
        stage.close()
    return report


def _fault(faults: list[Callable[[], None]], crew: Crew, chance: random.Random, until: float, report: Report) -> None:
    """Every kind of fault once in random order, then again, so that a short campaign has as many kinds as possible."""
    while True:
        chance.shuffle(faults)
        for fault in faults:
            crew.rest(chance.uniform(*CALM_S))
            if time.monotonic() > until:
                return
            print(f"{time.strftime('%H:%M:%S')} {report.rule}: {fault.__name__}", flush=True)
            fault()
            report.faults[fault.__name__] += 1


def _wait_applied(stage: Stage, crew: Crew) -> None:
    ends = stage.ends(stage.topic("account-events"))

    def applied() -> bool:
        crew.tend()
        found = stage.checkpoints()
        return all(number in found and found[number].next_offset >= end for number, end in ends.items() if end)

    wait_until(applied, "all inputs applied", SETTLED_WITHIN_S)


def _check(stage: Stage, crew: Crew, load: Load, report: Report) -> None:
    inputs = sorted(stage.read(stage.topic("account-events")), key=lambda record: (record.partition, record.offset))
    expected = load.expected(inputs)
    report.inputs, report.refused = len(inputs), expected.refused.total()
    report.facts = sum(map(len, expected.facts.values()))
    # Timed work may be left for a moment after the last input.
    wait_until(lambda: len(_facts(stage, load)[1]) >= report.facts, "as many facts as expected", SETTLED_WITHIN_S)
    crew.stop(crew.running())
    facts, _ = _facts(stage, load)
    assert facts == expected.facts
    assert _refused(stage) == expected.refused
    _check_rows(stage, load, expected)


def _facts(stage: Stage, load: Load) -> tuple[dict[tuple[str, bytes], list[bytes]], list[ConsumerRecord]]:
    """The facts by topic and key in order, and all their records."""
    found, records = defaultdict[tuple[str, bytes], list[bytes]](list), list[ConsumerRecord]()
    for name in load.topics:
        for record in stage.read(stage.topic(name)):
            found[name, record.key].append(record.value)
            records.append(record)
    return dict(found), records


def _refused(stage: Stage) -> Counter[Address]:
    """How many dead letters each input has, by its address."""
    found: Counter[Address] = Counter()
    for record in stage.read(stage.topic("dead-letters")):
        headers = dict(record.headers)
        assert headers["errors.topic"] == stage.topic("account-events").encode()
        found[int(headers["errors.partition"]), int(headers["errors.offset"])] += 1
    return found


def _check_rows(stage: Stage, load: Load, expected: Expected) -> None:
    """The changelog's rows are those that the inputs lead to, and each partition's own row counts them."""
    rows: dict[tuple[int, str], bytes] = {}
    for record in stage.read(stage.changelog):
        place = record.partition, record.key.decode()
        rows.pop(place, None)
        if record.value is not None and record.key != CHECKPOINT:
            rows[place] = record.value[load.row_head_bytes :]
    assert rows == expected.rows
    group = stage.committed()
    for number, checkpoint in stage.checkpoints().items():
        assert checkpoint.rows == sum(1 for partition, _ in rows if partition == number)
        balances = {currency: sum_ for currency, sum_ in checkpoint.balances.items() if sum_}
        assert balances == {c: sum_ for c, sum_ in expected.balances.get(number, {}).items() if sum_}
        assert group[number] == checkpoint.next_offset
    assert set(group) <= set(range(PARTITIONS))
