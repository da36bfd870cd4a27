"""An exported file of inputs gives, replayed, the events that real workers published, account by account."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backoffice.export.outputs import OUTPUTS
from schemas.facts import fact_type
from schemas.partitioning import partition_of
from schemas.wire.generate import fact_types
from stream.fail_stop import Exit
from tests.lane.stage import PARTITIONS, wait_until
from tests.repair.stage import ACCOUNTS, RepairStage

# Several worker and command processes in sequence are slow on a busy machine.
pytestmark = pytest.mark.timeout(900)

Event = dict[str, Any]
BY_TICKS = ("--time", "ticks")
TOPIC_OF = {fact_type(kind): kind.topics[0] for kind in fact_types().values()}


def events_of(text: str) -> list[Event]:
    """Without the lines of commands on standard error, snapshots, which replay does not write, refused lines, and the
    answers to refused starts: those inputs are not in the file.
    """
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    passed_over = {"account-snapshot", "dead-letter"}
    return [event for event in found if event["type"] not in passed_over and event.get("reason") != "refused"]


def by_account(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    """The events of each account and topic, in order. An event of two topics is twice in an export, and counts in its
    first topic, which comes last in the file.
    """
    found: dict[tuple[str, str], dict[str, Event]] = defaultdict(dict)
    for event in events:
        of_topic, whole = found[event["account_id"], TOPIC_OF[event["type"]]], json.dumps(event, sort_keys=True)
        of_topic.pop(whole, None)
        of_topic[whole] = event
    return {key: list(by_id.values()) for key, by_id in found.items()}


def check_replay_is_published(stage: RepairStage, *options: str, replay: tuple[str, ...] = BY_TICKS) -> int:
    """Compare what replay makes of the exported inputs with the exported events. Returns their number."""
    file = stage.file("inputs.jsonl")
    stage.run("export", "--inputs", *options, "-o", str(file))
    replayed = by_account(events_of(stage.run("replay", str(file), *replay)))
    assert replayed == by_account(events_of(stage.run("export", *options)))
    return sum(map(len, replayed.values()))


def history(stage: RepairStage, rounds: int, events: int) -> None:
    stage.open_accounts()
    for _ in range(rounds):
        stage.add_traffic(events)
        stage.wait_decided()


def test_replay_of_the_exported_inputs_gives_the_published_events(stage: RepairStage) -> None:
    """Over 20 s: a history of both products on eight partitions, and a dozen runs of commands."""
    stage.worker().wait_owned()
    history(stage, 4, 200)
    stage.stop_workers()
    assert check_replay_is_published(stage, "--account", "a3") > 10
    home = partition_of(b"a4", PARTITIONS)
    assert check_replay_is_published(stage, "--partition", str(home)) > 50
    assert check_replay_is_published(stage) > 500
    no_token_and_each_tick_once(stage)
    letters_are_written_with_their_reason(stage)
    all_outputs_are_written(stage)
    times_are_half_open(stage)
    other_commands_read_the_files(stage)


def no_token_and_each_tick_once(stage: RepairStage) -> None:
    lines = [json.loads(line) for line in stage.file("inputs.jsonl").read_text().splitlines()]
    assert all("arrived_at" in line for line in lines if line["type"] != "clock-ticked")
    requests = events_of(stage.run("export", "--topics", "payment-requests"))
    tokens = [line["token"] for line in [*lines, *requests] if "token" in line]
    assert len(tokens) > 10
    assert all(token.startswith("masked-") for token in tokens)
    ticks = [line["id"] for line in lines if line["type"] == "clock-ticked"]
    assert len(ticks) == len(set(ticks))


def letters_are_written_with_their_reason(stage: RepairStage) -> None:
    letters = [json.loads(line) for line in stage.run("export", "--topics", "dead-letters").splitlines()[:-1]]
    assert len(letters) == len(stage.read(stage.topic("dead-letters")))
    assert {letter["code"] for letter in letters if "input" not in letter} == {"malformed_json"}
    assert all(letter["value_bytes"] == 1 for letter in letters if letter["code"] == "malformed_json")
    assert any(letter["code"] == "account_exists" for letter in letters)
    assert {letter["topic"] for letter in letters} == {stage.topic("account-events")}
    assert all(letter["input"]["account_id"] == letter["account_id"] for letter in letters if "input" in letter)


def all_outputs_are_written(stage: RepairStage) -> None:
    lines = [json.loads(line) for line in stage.run("export").splitlines() if line.startswith("{")]
    assert len(lines) == sum(len(stage.read(stage.topic(name))) for name in OUTPUTS)
    assert {"account-snapshot", "dead-letter", "call-charged", "payment-requested"} <= {line["type"] for line in lines}


def times_are_half_open(stage: RepairStage) -> None:
    records = sorted(stage.read(stage.topic("charges")), key=lambda record: record.timestamp)
    middle = records[len(records) // 2].timestamp
    at = datetime.fromtimestamp(middle / 1_000, UTC).isoformat(timespec="milliseconds")
    before = events_of(stage.run("export", "--topics", "charges", "--to", at))
    after = events_of(stage.run("export", "--topics", "charges", "--from", at))
    assert len(before) == sum(record.timestamp < middle for record in records)
    assert len(after) == sum(record.timestamp >= middle for record in records)


def other_commands_read_the_files(stage: RepairStage) -> None:
    """Each command says the same of a file and of a pipe."""
    charges = [json.loads(record.value) for record in stage.read(stage.topic("charges"))]
    charge = next(one for one in charges if one["amount_micros"] and one["type"] == "call-charged")
    account, month = charge["account_id"], charge["occurred_at"][:7]
    for export, command, output in [
        (
            "",
            f"explain - {charge['call_id']} --account {account}",
            f"Call {charge['call_id']} of account {account} cost",
        ),
        (
            f"--account {account}",
            f"explain - {charge['call_id']}",
            f"Call {charge['call_id']} of account {account} cost",
        ),
        ("--topics invoices", "invoice list - --account a1", "a1/invoice/1"),
        ("--inputs", "whatif - --account a1", "Account a1, now on"),
        ("--inputs --account a1", "whatif -", "Account a1, now on"),
        ("", f"report - --month {month}", "Calls charged in the month"),
    ]:
        file = str(stage.file("exported.jsonl"))
        stage.run("export", *export.split(), "-o", file)
        from_file = stage.run(*command.replace(" -", f" {file}", 1).split())
        from_pipe = stage.pipe(["export", *export.split()], command.split())
        assert output in from_file
        assert from_pipe == from_file, command
    invoices_are_rendered(stage)


def invoices_are_rendered(stage: RepairStage) -> None:
    facts, one, other = (str(stage.file(name)) for name in ("facts.jsonl", "one.pdf", "other.pdf"))
    stage.run("export", "--topics", "invoices", "-o", facts)
    stage.run("invoice", "render", facts, "a1/invoice/1", "-o", one)
    stage.pipe(["export", "--topics", "invoices"], ["invoice", "render", "-", "a1/invoice/1", "-o", other])
    assert Path(one).read_bytes() == Path(other).read_bytes() != b""


def test_workers_by_the_brokers_time_one_of_them_killed_are_replayed_with_the_time_of_each_partition(
    stage: RepairStage,
) -> None:
    """Over 20 s: real ticks that some partitions lack, inputs of the last month and some from the future."""
    stage.traffic.now = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = stage.worker(clock="wall")
    first.wait_owned()
    stage.open_accounts()
    stage.add_traffic(150)
    second = stage.worker(clock="wall")
    wait_until(lambda: bool(second.owned()), "partitions of the second worker", 60)
    stage.add_traffic(150)
    first.kill()
    second.wait_owned(PARTITIONS, 60)
    ahead = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.publish([stage.traffic.event("redirect-set", f"a{n}", ahead, redirect_to="+1") for n in range(ACCOUNTS)])
    stage.add_traffic(150)
    ends = stage.ends(stage.topic("account-events"))
    wait_until(lambda: all(stage.committed().get(p, 0) >= end for p, end in ends.items()), "all decided", 180)
    stage.run("export", "--inputs", "-o", str(stage.file("live.jsonl")))
    stage.stop_workers()
    assert check_replay_is_published(stage, replay=("--partitions", str(PARTITIONS))) > 100
    lines = [json.loads(line) for line in stage.file("inputs.jsonl").read_text().splitlines()]
    assert any("partitions" in line for line in lines)
    live = stage.file("live.jsonl").read_text().splitlines()
    assert not any(json.loads(line)["occurred_at"] == ahead for line in live)


def test_what_cannot_be_exported_is_one_line(stage: RepairStage) -> None:
    stage.create_topics()
    assert "--inputs or --topics" in stage.run("export", "--inputs", "--topics", "charges", status=2)
    assert "unknown topic 'charge'" in stage.run("export", "--topics", "charge", status=2)
    assert "--from 'today'" in stage.run("export", "--from", "today", status=2)
    assert "expected 0 to 7" in stage.run("export", "--partition", "8", status=2)
    missing = stage.run("export", topic_prefix="nothing.", status=Exit.PERSON)
    assert "no such topic" in missing
    folder = stage.file("folder")
    made = stage.run("export", "-o", str(folder / "x.jsonl"), status=Exit.PERSON)
    assert "folder" in made
    assert "0 records" in stage.run("export", "-o", str(stage.file("empty.jsonl")))
    assert stage.file("empty.jsonl").read_bytes() == b""
    assert not list(Path(stage.file("x")).parent.glob(".*"))
