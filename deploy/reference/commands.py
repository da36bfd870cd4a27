"""The page of commands, from the commands themselves: what `--help` says."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from deploy.reference.markdown import code, codes, page, table
from deploy.reference.words import TEXT, WORDS
from tollgate import COMMANDS, load

TYPES = {str: "text", int: "whole number", float: "number", Path: "file", bool: ""}


def commands_page() -> str:
    sections = [_command(name, command) for name, command in commands()]
    return page(
        "Commands",
        TEXT["commands"],
        table(
            ("command", "what it does"), ((f"[`{name}`](#{anchor(name)})", summary) for name, summary, _ in sections)
        ),
        "## Exit status",
        table(("status", "meaning"), WORDS["statuses"].items()),
        *(text for _, _, text in sections),
    )


def commands() -> Iterator[tuple[str, Any]]:
    """Each command and subcommand by its full name. A group is left out unless it does something itself."""
    for name in COMMANDS:
        command = load(name)
        subcommands = getattr(command, "commands", {})
        if not subcommands or command.invoke_without_command:
            yield f"tollgate {name}", command
        for word in sorted(subcommands):
            yield f"tollgate {name} {word}", subcommands[word]


def _command(name: str, command: Any) -> tuple[str, str, str]:
    help_ = inspect.cleandoc(command.help or "").replace("\b", "").replace("\f", "")
    summary, *_ = help_.split("\n\n")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([name, *(_metavar(a) if a.required else f"[{_metavar(a)}]" for a in arguments)])
    parts = [
        f"## {name}",
        f"```\n{usage}{' [OPTIONS]' if options(command) else ''}\n```",
        _prose(help_),
        table(("argument", "meaning"), ((code(_metavar(a)), meaning(a)) for a in arguments)),
        table(("option", "takes", "default", "meaning"), (_option(o) for o in options(command))),
    ]
    return name, summary.replace("\n", " "), "\n\n".join(part for part in parts if part)


def options(command: Any) -> list[Any]:
    """Its options without `--help`, which every command has."""
    return [p for p in command.params if p.param_type_name == "option" and p.name != "help"]


def _option(option: Any) -> tuple[str, str, str, str]:
    names = codes([*option.opts, *option.secondary_opts])
    return names, _takes(option), _default(option), meaning(option)


def _takes(option: Any) -> str:
    if option.metavar:
        return code(option.metavar)
    kind = option.type_descriptor.annotation
    if words := get_args(kind):
        return TYPES[words[0]] if words[0] in TYPES else codes(words)
    return TYPES.get(kind, "") or (codes(word.value for word in kind) if hasattr(kind, "__members__") else "")


def _default(option: Any) -> str:
    default = option.default
    default = getattr(default, "value", default)
    return "" if default is None or default is False or callable(default) or default in ((), []) else code(default)


def meaning(parameter: Any) -> str:
    text = " ".join((parameter.help or "").split())
    return f"{text} Required." if parameter.required and parameter.param_type_name == "option" else text


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _prose(text: str) -> str:
    """The help in paragraphs. Braces and angles stay as they are: Markdown reads neither."""
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", paragraph.strip()) for paragraph in text.split("\n\n"))


def anchor(name: str) -> str:
    return name.replace(" ", "-")
