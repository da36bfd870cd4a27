"""A person's mistake, in whatever command, is one line on standard error and a status; a traceback means a bug."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream.fail_stop import Exit

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "127.0.0.1:1"
NO_BROKER = f"no broker answers at {NOWHERE}: is it running, and is TOLLGATE_BOOTSTRAP_SERVERS right?"
# A refused connection is known at once; the longest wait here is the thirty seconds of a start.
DEADLINE_S = 120

FILES = {
    "bad.toml": b"plans = [",
    "bytes.jsonl": b"\xff\xfe\x00{\n",
    "good.jsonl": b'{"type": "clock-ticked", "id": "t", "account_id": "*", "occurred_at": "2026-01-01T00:00:00Z"}\n'
    * 20_000,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        (made / name).write_bytes(content)
    (made / "folder.jsonl").mkdir()
    return made


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOLLGATE_")}
    return {
        **clean,
        "TOLLGATE_BOOTSTRAP_SERVERS": NOWHERE,
        "TOLLGATE_REDIS_URL": f"redis://{NOWHERE}",
        "PYTHONPATH": str(ROOT),
        **variables,
    }


def run(words: str, folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-m", *words.split()]
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


MISTAKES = [
    ("tollgate topics", Exit.PASSING, NO_BROKER),
    ("tollgate export", Exit.PASSING, NO_BROKER),
    ("tollgate payments topics", Exit.PASSING, NO_BROKER),
    ("tollgate notifier topics", Exit.PASSING, NO_BROKER),
    ("tollgate backup --to none.backup", Exit.PASSING, NO_BROKER),
    ("tollgate rebuild", Exit.PASSING, NO_BROKER),
    ("tollgate skip --partition 0 --offset 0 --reason x", Exit.PASSING, NO_BROKER),
    ("tollgate redrive --code unknown_account", Exit.PASSING, NO_BROKER),
    ("tollgate restore none.backup", Exit.PERSON, "restore: none.backup: No such file or directory"),
    ("tollgate redact none.jsonl", Exit.PERSON, "redact: none.jsonl: No such file or directory"),
    ("tollgate export --from today", 2, "--from 'today': expected an RFC 3339 time"),
    ("tollgate export --from 2026-02-01 --to 2026-01-01", 2, "--from '2026-02-01' is not before --to '2026-01-01'"),
    ("tollgate export -o none/out.jsonl", Exit.PERSON, "export: none: no such directory"),
    ("tollgate skip --partition 0 --offset -1 --reason x", 2, "--offset"),
    ("tollgate redrive --code nothing", 2, "redrive: --code 'nothing': expected one of malformed_json, "),
    ("tollgate views verify", Exit.PASSING, f"no Redis answers at {NOWHERE} ("),
    ("tollgate dev-broker --port 99999", 2, "--port"),
    ("tollgate stack --kafka-port 99999", 2, "--kafka-port"),
    ("tollgate up --redis-port 0", 2, "--redis-port"),
    ("tollgate report none.jsonl --month 2026-01", Exit.PERSON, "report: none.jsonl: No such file or directory"),
    ("tollgate replay none.jsonl", Exit.PERSON, "replay: none.jsonl: No such file or directory"),
    ("tollgate explain none.jsonl c1", Exit.PERSON, "explain: none.jsonl: No such file or directory"),
    ("tollgate nothing", 2, "nothing"),
    ("tollgate payments nothing", 2, "nothing"),
    ("stream topics", Exit.PASSING, NO_BROKER),
    ("stream topics --apply", Exit.PASSING, NO_BROKER),
    ("demo traffic", Exit.PASSING, NO_BROKER),
    ("demo provider", Exit.PASSING, NO_BROKER),
    ("demo --broker-url nonsense:x", Exit.PERSON, "TOLLGATE_BOOTSTRAP_SERVERS: 'nonsense:x' is not HOST:PORT"),
    ("benchmarks rules --plan nope", 2, "nope is not in the shipped catalogue"),
    ("stream dev-broker --port 1 --data bad.toml", Exit.PERSON, "bad.toml"),
    ("stream replay none.jsonl", Exit.PERSON, "none.jsonl"),
    ("stream replay folder.jsonl", Exit.PERSON, "folder.jsonl: Is a directory"),
    ("stream replay bytes.jsonl --plans bad.toml", 2, "bad.toml"),
    ("stream replay bytes.jsonl --plans none.toml", 2, "none.toml"),
    ("stream whatif none.jsonl --plans free", Exit.PERSON, "none.jsonl: No such file or directory"),
    ("stream whatif bytes.jsonl --plans free --catalogue bad.toml", 2, "bad.toml"),
    ("stream whatif bytes.jsonl --plans nope", 2, "nope"),
    ("stream explain none.jsonl c1", Exit.PERSON, "none.jsonl"),
    ("stream explain folder.jsonl c1", Exit.PERSON, "folder.jsonl"),
    ("stream explain bytes.jsonl c1", 1, "is about call c1"),
    ("stream invoice list none.jsonl", Exit.PERSON, "invoice: none.jsonl: No such file or directory"),
    ("stream invoice list folder.jsonl", Exit.PERSON, "folder.jsonl"),
    ("stream invoice render bytes.jsonl i1 -o out.pdf", 1, "i1"),
    ("stream invoice render bytes.jsonl i1 -o out.pdf --issuer bad.toml", 1, "bad.toml"),
    ("stream nothing", 2, "nothing"),
]


@pytest.mark.parametrize(("words", "status", "named"), MISTAKES, ids=[words for words, _, _ in MISTAKES])
def test_a_mistake_is_one_line_that_names_it(words: str, status: int, named: str, folder: Path) -> None:
    ended = run(words, folder, TOLLGATE_CLOCK="simulation")
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert named in ended.stderr
    assert ended.stdout == ""


READ_SETTINGS = [
    *("stream worker", "stream settings", "stream topics", "payments run", "payments settings", "demo"),
    *("tollgate views", "tollgate views settings", "tollgate views verify"),
    *("tollgate notifier", "tollgate notifier settings"),
    *("tollgate worker", "tollgate payments run", "tollgate payments settings", "tollgate demo"),
]


@pytest.mark.parametrize("words", READ_SETTINGS)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(words: str, folder: Path) -> None:
    ended = run(words, folder, TOLLGATE_SIGNING_KEY="secret-7")
    assert ended.returncode == Exit.PERSON, ended.stderr
    assert "TOLLGATE_SIGNING_KEY is not a setting: do you mean TOLLGATE_SIGNING_KEYS?" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "secret-7" not in ended.stderr


@pytest.mark.parametrize("words", READ_SETTINGS)
def test_a_value_that_cannot_be_used_is_named_and_not_shown(words: str, folder: Path) -> None:
    ended = run(words, folder, TOLLGATE_PARTITIONS="secret-7")
    assert ended.returncode == Exit.PERSON, ended.stderr
    assert "TOLLGATE_PARTITIONS: " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "secret-7" not in ended.stderr


@pytest.mark.parametrize(
    "words", ["explain", "whatif", "invoice", "invoice list", "invoice render", "report", "replay"]
)
def test_a_command_that_reads_a_file_says_that_export_writes_it(words: str, folder: Path) -> None:
    assert "export" in run(f"tollgate {words} --help", folder).stdout


def test_a_removed_variable_is_refused_like_any_unknown_one(folder: Path) -> None:
    ended = run("tollgate worker", folder, TOLLGATE_TIME="ticks")
    assert ended.returncode == Exit.PERSON
    assert "TOLLGATE_TIME is not a setting" in ended.stderr


def test_variables_of_other_processes_are_theirs(folder: Path) -> None:
    others = {
        f"TOLLGATE_{name}": "x"
        for name in ("PAYMENTS_NOBODY", "ISSUER", "GATEWAY_PORT", "VIEWS_PORT", "NOTIFIER_PORT", "AUDITOR_PORT")
    }
    assert run("stream settings", folder, **others).returncode == 0
    ended = run("payments settings", folder, **others)
    assert ended.returncode == Exit.PERSON
    assert "TOLLGATE_PAYMENTS_NOBODY is not a setting" in ended.stderr
    assert "GATEWAY" not in ended.stderr


def test_what_kubernetes_injects_for_a_service_is_no_setting(folder: Path) -> None:
    injected = {
        "TOLLGATE_SERVICE_HOST": "10.0.0.1",
        "TOLLGATE_SERVICE_PORT": "8011",
        "TOLLGATE_PORT": "tcp://10.0.0.1:8011",
        "TOLLGATE_REDIS_SERVICE_PORT_TLS": "6379",
        "TOLLGATE_VIEWS_PORT_8022_TCP": "tcp://10.0.0.2:8022",
        "TOLLGATE_VIEWS_PORT_8022_TCP_ADDR": "10.0.0.2",
        # A service whose name makes that of a setting.
        "TOLLGATE_HEALTH_PORT": "tcp://10.0.0.1:8011",
        "TOLLGATE_VIEWS_HEALTH_PORT": "tcp://10.0.0.2:8022",
        "TOLLGATE_GATEWAY_PORT": "tcp://10.0.0.3:8020",
    }
    for process in ("", "views ", "gateway ", "notifier "):
        ended = run(f"tollgate {process}settings", folder, **injected)
        assert (ended.returncode, "tcp://" in ended.stdout) == (0, False), ended.stderr
    refused = run("tollgate settings", folder, TOLLGATE_PORT="8011")
    assert "TOLLGATE_PORT is not a setting" in refused.stderr


@pytest.mark.parametrize("words", ["stream worker", "payments run", "tollgate views", "tollgate notifier"])
def test_it_does_not_start_without_assertions(words: str, folder: Path) -> None:
    ended = run(words, folder, "-O", TOLLGATE_PAYMENTS_PROVIDER="fake")
    assert ended.returncode == Exit.PERSON
    assert "assertions are switched off" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


READ_AND_WRITE = ["stream replay good.jsonl --snapshots", "stream replay -", "tollgate settings"]


@pytest.mark.parametrize("words", READ_AND_WRITE)
def test_a_reader_that_goes_away_is_no_error(words: str, folder: Path) -> None:
    """As `| head -0` does; the output is far larger than a pipe holds."""
    with (folder / "good.jsonl").open("rb") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", *words.split()],
            cwd=folder,
            env=environment(),
            stdin=lines,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
        status = process.wait(DEADLINE_S)
    # What writes nothing to the reader that is gone comes to its end, and `replay` to its summary.
    assert said.startswith(b"replay: 20,000 inputs") if said else status in {0, -signal.SIGPIPE}


MIXED = b"""
{"type": "account-opened", "id": "o", "account_id": "a1", "occurred_at": "2026-01-01T00:00:00Z", "plan": "free"}
{"type": "account-opened", "id": "o", "account_id": "a1", "occurred_at": "2026-01-01T00:00:00Z", "plan": "free"}
{"type": "feature-set", "id": "f", "account_id": "a1", "occurred_at": "2026-01-01T00:00:00Z", "feature": "x"}
{"type": "feature-paused"}

{"type": "credits-granted", "id": "g", "account_id": "a1", "occurred_at": "2026-01-01T00:00:00Z", "grant_id": "g", \
"amount_micros": 5000000, "reason": "goodwill", "actor": "ann"}
{"type": "redirect-set", "id": "r", "account_id": "a2", "occurred_at": "2026-01-01T00:00:00Z", "redirect_to": "+1"}
{"type": "redirect-set", "id": "r", "account_id": "a3", "occurred_at": "2026-01-01T00:00:00Z", "redirect_to": "+1"}
"""
TICKS = b"""{"type": "clock-ticked", "id": "t", "account_id": "*", "occurred_at": "2026-01-02T00:00:00Z"}
{"type": "clock-ticked", "id": "u", "account_id": "*", "occurred_at": "2026-01-01T00:00:00Z"}
"""


@pytest.mark.parametrize("options", ["", " --partitions 3"])
@pytest.mark.parametrize(
    ("events", "said"),
    [
        (
            MIXED,
            (
                "replay: 7 inputs, EVENTS, 4 dead letters (1 schema_invalid, 2 unknown_account, 1 unknown_type),"
                " 1 repeat, recognised and without effect\n"
                "replay: no `clock-ticked` line was accepted: without ticks no renewal, invoice or retry happens\n"
            ),
        ),
        (
            TICKS,
            (
                "replay: 2 inputs (1 tick, up to 2026-01-02T00:00:00Z), EVENTS, 0 dead letters,"
                " 1 repeat, recognised and without effect\n"
            ),
        ),
        (b"", "replay: 0 inputs, 0 events, 0 dead letters, 0 repeats\n"),
    ],
)
def test_replay_ends_with_a_summary_on_standard_error(events: bytes, said: str, options: str, folder: Path) -> None:
    (folder / "some.jsonl").write_bytes(events)
    ended = run(f"stream replay some.jsonl{options}", folder)
    assert ended.returncode == 0
    lines = [line for line in ended.stdout.splitlines() if '"dead-letter"' not in line]
    assert ended.stderr == said.replace("EVENTS", f"{len(lines)} event{'' if len(lines) == 1 else 's'}")


@pytest.mark.parametrize("words", ["stream replay -", "stream whatif - --plans free", "stream explain - c1"])
def test_ctrl_c_ends_a_command_without_a_traceback(words: str, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", *words.split()],
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    until_s = time.monotonic() + DEADLINE_S
    while not reads_stdin(process.pid):
        assert time.monotonic() < until_s
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert b"Traceback" not in said


def reads_stdin(pid: int) -> bool:
    """It waits in the kernel for the pipe that is its standard input."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text().startswith("0 0x0 ")
    except OSError:
        return False
