"""Keys: what their file may hold, how one is made, and that a change of the file holds at once."""

import http.client
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.http.key_file import KeyFileError, read_keys
from gateway.http.keys import Key
from tests.gateway.http.served import PROGRAM
from tests.gateway.stage import GatewayProcess, GatewayStage
from tests.lane.stage import wait_until
from tollgate import app

HASH = "0" * 64
OTHER = "1" * 64
GOOD = f'[[key]]\nid = "one"\nsha256 = "{HASH}"\nscopes = ["calls"]\n'


def read(text: str) -> dict[str, Key]:
    return read_keys(text.encode(), Path("keys.toml"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[key]\n", "not TOML"),
        ("[[keys]]\n", "keys"),
        ("key = 1\n", "[[key]]"),
        (GOOD + GOOD.replace(HASH, OTHER), "two keys have the id 'one'"),
        (GOOD + GOOD.replace("one", "two"), "the same sha256"),
        (GOOD.replace(HASH, HASH[1:]), "sha256"),
        (GOOD.replace(HASH, "A" * 64), "sha256"),
        (GOOD.replace("calls", "root"), "root: no such scope"),
        (GOOD.replace('["calls"]', "[]"), "scopes"),
        (GOOD.replace('scopes = ["calls"]\n', ""), "scopes"),
        (GOOD + "limit = 5\n", "limit: no such field"),
        (GOOD + 'accounts = ["a*b"]\n', "accounts"),
        (GOOD + 'accounts = ["acct-1\\n"]\n', "accounts"),
        (GOOD.replace('"one"', '"one\\n"'), "id"),
        (GOOD.replace(HASH, HASH + "\\n"), "sha256"),
        (GOOD + "requests_per_s = 0\n", "requests_per_s"),
        (GOOD + "expires_at = 2027-01-01T00:00:00\n", "expires_at"),
        (GOOD + 'expires_at = "soon"\n', "expires_at"),
        (GOOD + 'disabled = "no"\n', "disabled"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(text: str, names: str) -> None:
    with pytest.raises(KeyFileError) as refused:
        read(text)
    assert names in str(refused.value)
    assert HASH not in str(refused.value)


@pytest.mark.parametrize(
    ("accounts", "account_id", "reaches"),
    [
        ("", "acct-1", True),
        ("accounts = []", "acct-1", False),
        ('accounts = ["acct-1"]', "acct-1", True),
        ('accounts = ["acct-1"]', "acct-11", False),
        ('accounts = ["acme-*", "acct-1"]', "acme-7", True),
        ('accounts = ["acme-*"]', "acme-", True),
        ('accounts = ["acme-*"]', "acme", False),
        ('accounts = ["*"]', "acct-1", True),
        ("", "*", False),
        ('accounts = ["*"]', "*", False),
    ],
)
def test_a_key_reaches_exact_ids_and_prefixes(accounts: str, account_id: str, *, reaches: bool) -> None:
    assert read(f"{GOOD}{accounts}\n")[HASH].reaches(account_id) is reaches


def test_admin_holds_every_scope_and_the_others_only_themselves() -> None:
    assert read(GOOD.replace("calls", "admin"))[HASH].may("money")
    assert not read(GOOD)[HASH].may("money")


def test_a_disabled_key_is_none() -> None:
    assert read(GOOD + "disabled = true\n") == {}


def make(file: Path, *words: str) -> str:
    ended = CliRunner().invoke(app, ["gateway", "key", *words, str(file)])
    assert ended.exit_code == 0, ended.output
    return ended.stdout.strip()


def test_the_command_makes_a_key_and_keeps_what_the_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    first = make(file, "--scope", "calls", "--id", "telephony")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("# the switch in Leeds\n" + file.read_text())
    options = ["--accounts", "acme-*", "--accounts", "acct-1", "--requests-per-s", "5"]
    second = make(file, "--scope", "money,calls", *options, "--expires-at", "2027-01-01T01:00:00+01:00")
    text = file.read_text()
    assert text.startswith("# the switch in Leeds\n")
    assert first not in text
    assert second not in text
    old, new = read(text).values()
    assert (old.id, old.scopes, old.accounts, old.requests_per_s) == ("telephony", frozenset({"calls"}), None, 100)
    assert (new.scopes, new.accounts, new.requests_per_s) == (frozenset({"money", "calls"}), ("acme-*", "acct-1"), 5)
    assert new.expires_at_ms == datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1_000
    assert len(first) == len("tg_") + 43
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "words",
    [
        ["--id", "telephony"],
        ["--id", "a b"],
        ["--scope", "root"],
        ["--accounts", "a*b"],
        ["--accounts", ""],
        ["--accounts", " , "],
    ],
)
def test_a_key_that_the_file_would_not_take_is_not_made(tmp_path: Path, words: list[str]) -> None:
    file = tmp_path / "keys.toml"
    make(file, "--scope", "calls", "--id", "telephony")
    before = file.read_bytes()
    assert CliRunner().invoke(app, ["gateway", "key", "--scope", "calls", *words, str(file)]).exit_code != 0
    assert file.read_bytes() == before


@pytest.fixture(scope="module")
def gateway(stage: GatewayStage) -> GatewayProcess:
    return stage.gateway(program=PROGRAM)


def status(stage: GatewayStage, key: str) -> int:
    return stage.get("/v1/shown", key=key).status


def test_a_change_of_the_file_holds(stage: GatewayStage, gateway: GatewayProcess) -> None:
    key = stage.keys.add("coming", "calls")
    wait_until(lambda: status(stage, key) == 200, "the new key is valid")
    stage.keys.remove("coming")
    wait_until(lambda: status(stage, key) == 401, "the removed key is not valid")


def test_an_unusable_file_keeps_the_former_keys_and_raises_a_metric(
    stage: GatewayStage, gateway: GatewayProcess
) -> None:
    assert "tollgate_gateway_key_file_ok 1.0" in gateway.metrics()
    good = stage.keys.path.read_bytes()
    stage.keys.path.write_text("[[key]\n")
    wait_until(lambda: "tollgate_gateway_key_file_ok 0.0" in gateway.metrics(), "the file is unusable")
    assert "tollgate_gateway_key_file_failures_total 1.0" in gateway.metrics()
    assert status(stage, stage.key) == 200
    stage.keys.path.write_bytes(good)
    wait_until(lambda: "tollgate_gateway_key_file_ok 1.0" in gateway.metrics(), "the file is usable again")
    stage.keys.path.unlink()
    wait_until(lambda: "tollgate_gateway_key_file_failures_total 2.0" in gateway.metrics(), "the file is gone")
    assert status(stage, stage.key) == 200
    stage.keys.write()


def test_a_key_ends_when_it_expires(stage: GatewayStage, gateway: GatewayProcess) -> None:
    def expiring(hours: int) -> str:
        return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()

    gone = stage.keys.add("gone", "calls", expires_at=expiring(-1))
    stays = stage.keys.add("stays", "calls", expires_at=expiring(1))
    wait_until(lambda: status(stage, stays) == 200, "the other key is valid")
    assert status(stage, gone) == 401


@contextmanager
def streaming(gateway: GatewayProcess, key: str) -> Iterator[tuple[list[bytes], threading.Thread]]:
    """The lines of a stream so far, and what reads them until it ends."""
    received: list[bytes] = []
    begun = threading.Event()

    def read_stream() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        connection.request("GET", "/v1/stream", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        while line := answer.readline():
            received.append(line)
            begun.set()
        connection.close()

    reader = threading.Thread(target=read_stream)
    reader.start()
    assert begun.wait(10)
    yield received, reader


def later() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    "change", [None, {"disabled": True}, {"accounts": ["other-*"]}, {"scopes": ["money"]}], ids=str
)
def test_a_stream_ends_with_its_key_or_with_what_the_key_may_do(
    stage: GatewayStage, gateway: GatewayProcess, change: dict[str, Any] | None
) -> None:
    key = stage.keys.add("streaming", "calls")
    wait_until(lambda: status(stage, key) == 200, "the new key is valid")
    with streaming(gateway, key) as (received, reader):
        if change is None:
            stage.keys.remove("streaming")
        else:
            stage.keys.entries["streaming"] |= change
            stage.keys.write()
        reader.join(10)
        assert not reader.is_alive()
    assert b": ended\n" in received


def test_a_stream_goes_on_when_only_the_rate_or_the_end_of_its_key_changes(
    stage: GatewayStage, gateway: GatewayProcess
) -> None:
    key, other = stage.keys.add("rated", "calls"), stage.keys.add("unrated", "calls", requests_per_s=1)
    wait_until(lambda: status(stage, other) == 200, "the new keys are valid")
    with streaming(gateway, key) as (received, reader):
        stage.keys.entries["rated"] |= {"requests_per_s": 7, "expires_at": later()}
        stage.keys.remove("unrated")
        wait_until(lambda: status(stage, other) == 401, "the file was read again")
        assert reader.is_alive()
        assert b": ended\n" not in received
        stage.keys.remove("rated")
        reader.join(10)
    assert b": ended\n" in received
