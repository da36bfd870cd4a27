"""The page of settings, from the settings classes of each process."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from deploy.reference.commands import anchor, commands, meaning, options
from deploy.reference.markdown import code, codes, count, page, table
from deploy.reference.processes import PROCESSES, Process
from deploy.reference.words import TEXT
from stream.settings import PREFIX

# A pattern in words.
PATTERNS = {
    "^[A-Za-z0-9._-]{1,100}$": "1 to 100 letters, digits, `.` `_` `-`",
    "^[A-Za-z0-9._-]{0,100}$": "up to 100 letters, digits, `.` `_` `-`",
    r"^(https?://\S+)?$": "an address with `http://` or `https://`",
}


def settings_page() -> str:
    return page(
        "Settings", TEXT["settings"], *(part for process in PROCESSES for part in _section(process)), _of_commands()
    )


def _section(process: Process) -> tuple[str, ...]:
    shared = codes(f"{PREFIX}{name.upper()}" for name in process.shared)
    return (
        f"## {process.name}",
        f"`{process.settings_command}` prints each with its value.",
        f"{TEXT['shared_settings']} {shared}." if shared else TEXT["worker_settings"],
        _table(process.settings, process.meaning),
    )


def _of_commands() -> str:
    """Variables that stand for an option of a command."""
    rows = [
        (code(option.envvar), f"[`{name}`](commands.md#{anchor(name)})", code(option.opts[-1]), meaning(option))
        for name, command in commands()
        for option in options(command)
        if option.envvar
    ]
    return "## Commands\n\n" + table(("variable", "command", "option", "meaning"), rows)


def _table(settings: type[BaseSettings], meaning: Mapping[str, str]) -> str:
    schema = settings.model_json_schema()["properties"]
    return table(
        ("variable", "default", "allowed", "meaning"),
        (
            (code(f"{PREFIX}{name.upper()}"), _default(settings, name), _allowed(schema[name]), text)
            for name, text in meaning.items()
        ),
    )


def _default(settings: type[BaseSettings], name: str) -> str:
    default = settings.model_fields[name].default
    default = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "" if default is None else code(default)


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_allowed(kind) for kind in schema["anyOf"] if kind != {"type": "null"})
    if "enum" in schema:
        return codes(word for word in schema["enum"] if word)
    if "pattern" in schema:
        return PATTERNS.get(schema["pattern"], code(schema["pattern"]))
    named = {"path": "a file", "password": "text"}
    if schema.get("format") in named:
        return named[schema["format"]]
    return _number(schema) if schema["type"] in {"integer", "number"} else schema["type"].replace("string", "text")


def _number(schema: dict[str, Any]) -> str:
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    if "minimum" in schema and "maximum" in schema:
        return f"{count(schema['minimum'])} to {count(schema['maximum'])}"
    return f"{kind} above {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else kind
