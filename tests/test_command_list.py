"""The list of commands: what it says of each, and what loading one of them imports."""

import ast
import subprocess
import sys
from pathlib import Path

import typer

from tollgate import COMMANDS, app, load

ROOT = Path(__file__).resolve().parents[1]


def test_no_command_has_the_options_of_a_shell() -> None:
    for command in (typer.main.get_command(app), *map(load, COMMANDS)):
        assert not [part for part in command.params if "completion" in str(part.name)], command.name


def test_the_list_of_commands_says_of_each_what_its_own_help_says() -> None:
    """The list is printed without importing a command, so its lines are kept apart from the commands' docstrings."""
    own = {name: load(name).get_short_help_str(limit=200) for name in COMMANDS}
    assert own == {name: command.help for name, command in COMMANDS.items()}


def test_a_command_imports_no_other_commands_modules() -> None:
    code = "import sys, tollgate; tollgate.load('replay'); print(sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(ended.stdout))
    assert "backoffice.replay" in loaded
    assert not loaded & {"faust", "typst", "stream.worker", "backoffice.explain.command", "payments.commands"}
