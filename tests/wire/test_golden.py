"""What wire version 1 gives for what it is given, byte for byte. golden/README.md says when these files may change."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson
import pytest
import typer
from typer.testing import CliRunner

from agents.wallet.agent import Wallets
from backoffice.replay import command
from schemas.batch import Headers
from schemas.codec import read_arrival
from tests.wire.golden_files import (
    EXAMPLES,
    GOLDEN,
    THEMES,
    catalogue_of,
    examples,
    facts_of,
    inputs_of,
    plans_of,
    snapshots_of,
)

CHANGED = "if that is meant: python -m tests.wire.golden_files, after reading golden/README.md"
PINNED_THEMES = {
    "alerts",
    "cap",
    "dead-letters",
    "gate",
    "invoice",
    "minutes",
    "purchase",
    "ranking",
    "refill",
    "subscription",
}


def test_no_theme_was_lost() -> None:
    assert set(THEMES) >= PINNED_THEMES


@pytest.mark.parametrize("theme", THEMES)
def test_facts(theme: str) -> None:
    golden = (GOLDEN / f"{theme}.facts.jsonl").read_bytes()
    assert facts_of(theme).splitlines() == golden.splitlines(), CHANGED


@pytest.mark.parametrize("theme", THEMES)
def test_snapshots(theme: str) -> None:
    golden = (GOLDEN / f"{theme}.snapshots.jsonl").read_bytes()
    assert snapshots_of(theme).splitlines() == golden.splitlines(), CHANGED


def test_the_published_examples_are_facts_of_these_histories() -> None:
    assert EXAMPLES.read_bytes().splitlines() == examples().splitlines(), CHANGED


@pytest.mark.parametrize("theme", ["gate", "minutes"])
def test_the_command_writes_these_very_bytes(theme: str) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = ["--plans", str(plans_of(theme)), str(GOLDEN / f"{theme}.inputs.jsonl")]
    written = CliRunner().invoke(app, arguments)
    assert (written.exit_code, written.stdout_bytes) == (0, (GOLDEN / f"{theme}.facts.jsonl").read_bytes())


def test_g02_the_command_takes_time_from_the_ticks_where_it_is_told_to() -> None:
    app = typer.Typer()
    app.command()(command)
    inputs = b"\n".join(
        orjson.dumps({"type": kind, "id": str(n), "account_id": who, "occurred_at": at, "arrived_at": at, **fields})
        for n, (kind, who, at, fields) in enumerate(
            [
                ("clock-ticked", "*", "2026-01-31T10:00:00Z", {}),
                ("account-opened", "a", "2026-01-31T10:06:00Z", {"plan": "free"}),
            ]
        )
    )
    for arguments, codes in ((["-"], []), (["--time", "ticks", "-"], ["future_time"])):
        written = CliRunner().invoke(app, arguments, input=inputs)
        assert written.exit_code == 0
        assert [orjson.loads(line)["code"] for line in written.stdout_bytes.splitlines()] == codes
    assert CliRunner().invoke(app, ["--time", "mine", "-"], input=inputs).exit_code == 2


@dataclass(frozen=True)
class Record:
    """An input of a golden history as the log of the only partition would hold it."""

    key: bytes | None
    value: bytes
    offset: int
    headers: Headers = ()
    topic: str = "account-events"
    partition: int = 0
    timestamp: int = 0
    timestamp_type: int | None = 0


def records_of(theme: str) -> list[Record]:
    records = []
    for offset, line in enumerate(inputs_of(theme)):
        if line.strip():
            arrived = read_arrival(line) if b"arrived_at" in line else None
            if isinstance(arrived, int):
                records.append(Record(account_of(line), line, offset, timestamp=arrived, timestamp_type=1))
            else:
                records.append(Record(account_of(line), line, offset))
    return records


def account_of(line: bytes) -> bytes | None:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict):
        return None
    account_id = event.get("account_id", event.get("subject"))
    return None if account_id is None else str(account_id).encode()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("batch_max", [1, 1000])
def test_the_worker_publishes_these_facts_with_cloudevents_headers(theme: str, batch_max: int) -> None:
    wallets = Wallets(catalogue_of(theme), partitions=1)
    table: dict[str, bytes] = {}
    wallets.open(0, table)
    records, published = records_of(theme), []
    batches = [records[begin : begin + batch_max] for begin in range(0, len(records), batch_max)]
    while batches or wallets.overdue(0):
        outcome = wallets.decide(0, batches.pop(0) if batches else [])
        published += outcome.outputs
        for key, row in outcome.rows:
            if row is None:
                table.pop(key, None)
            else:
                table[key] = row
    facts = [output for output in published if output.topic not in {"dead-letters", "account-snapshots"}]
    buried = [dict(output.headers)["errors.code"] for output in published if output.topic == "dead-letters"]
    lines = (GOLDEN / f"{theme}.facts.jsonl").read_bytes().splitlines()
    assert buried == [orjson.loads(line)["code"].encode() for line in lines if b'"code"' in line]
    # A fact on two topics is the same record twice (rule P19). The order is promised for each account.
    once = list(dict.fromkeys((output.key, output.value) for output in facts))
    wanted = [line for line in lines if b'"code"' not in line]
    assert by_account(value for _, value in once if value is not None) == by_account(wanted)
    for output in facts:
        assert output.value is not None
        fact, headers = orjson.loads(output.value), dict(output.headers)
        assert output.key == fact["account_id"].encode()
        assert headers["ce_specversion"] == b"1.0"
        assert (headers["ce_id"], headers["ce_type"]) == (fact["id"].encode(), fact["type"].encode())
        at = fact["occurred_at"]
        assert (headers["ce_subject"], headers.get("ce_time")) == (output.key, at and at.encode())
        assert headers["ce_source"]


def by_account(facts: Iterable[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for fact in facts:
        found.setdefault(orjson.loads(fact)["account_id"], []).append(fact)
    return found


@pytest.mark.parametrize("theme", THEMES)
def test_ids_of_facts_are_unique_in_their_account(theme: str) -> None:
    lines = [orjson.loads(line) for line in (GOLDEN / f"{theme}.facts.jsonl").read_bytes().splitlines()]
    ids = [(fact["account_id"], fact["id"]) for fact in lines if "id" in fact]
    assert len(ids) == len(set(ids))
