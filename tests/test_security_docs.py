"""The table of rights in docs/security.md is the one that the processes check, and `tollgate rights` prints it."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.all_rights import ALL, table
from payments.settings import Settings
from stream.rights import Kind, Operation
from stream.settings import CONNECTION
from tollgate import app

DOCS = Path(__file__).parents[1].joinpath("docs/security.md").read_text(encoding="utf-8")


def test_the_table_of_rights_is_the_one_that_is_checked() -> None:
    """`tollgate rights` prints the table to paste."""
    written = DOCS.split("<!-- rights: begin -->\n", 1)[1].split("\n<!-- rights: end -->", 1)[0]
    assert written == table(Settings())


def test_the_command_prints_the_table() -> None:
    assert CliRunner().invoke(app, ["rights"]).output.strip() == table(Settings())


@pytest.mark.parametrize("process", ALL)
def test_the_command_prints_the_arguments_of_kafka_acls(process: str) -> None:
    ended = CliRunner().invoke(app, ["rights", process, "--principal", "User:somebody"])
    assert ended.exit_code == 0
    printed = [shlex.split(line) for line in ended.output.splitlines()]
    needed = ALL[process](Settings())
    assert len(printed) == len(needed)
    for words, right in zip(printed, needed, strict=True):
        assert words[:5] == ["--add", "--allow-principal", "User:somebody", "--operation", right.operation.name]
        assert words[5:] == [word for name in right.names for word in (f"--{right.kind}", name)]


def test_a_process_that_is_not_known_is_refused() -> None:
    ended = CliRunner().invoke(app, ["rights", "nothing"])
    assert ended.exit_code == 2
    assert "worker" in ended.output


def test_every_setting_of_the_connection_is_explained() -> None:
    missing = [name for name in CONNECTION if f"TOLLGATE_{name.upper()}" not in DOCS]
    assert missing == []


def test_no_process_may_delete_or_create_topics_but_the_tools_for_it() -> None:
    may = {
        process
        for process, needed in ALL.items()
        for right in needed(Settings())
        if right.operation in {Operation.Create, Operation.Delete, Operation.AlterConfigs}
    }
    assert may == {"topics --apply", "payments topics --apply", "notifier topics --apply", "restore", "rebuild"}


def test_worker_and_adapter_share_no_transactional_id_and_no_group() -> None:
    """Whoever may write to an id may end the other's transactions."""

    def names(process: str) -> set[str]:
        rights = ALL[process](Settings())
        return {name for right in rights if right.kind is not Kind.topic for name in right.names}

    assert not names("worker") & names("payments run")
