"""Imports point one way, without circles, and nothing imports the command line."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_tidy import PACKAGES, found, imports_of, modules, name_of, tree_of

# The command line knows every command. Other names for it may start it; nothing else imports it.
COMMAND_LINE = "tollgate.py"
STARTS_COMMANDS = {f"{package}/__main__.py" for package in ("stream", "payments", "demo", "benchmarks")}
# The reference page of the commands is generated from them.
READS_COMMANDS = {"deploy/reference/commands.py"}

# Imports point one way:
# schemas <- agents/wallet <- stream <- {backoffice, agents/views} <- payments <- gateway <- {demo, benchmarks}.
# `agents` is a package of rules and of processes: the processes have entries of their own.
PROCESSES = {
    "agents/views/": {"schemas", "agents", "stream"},
    "agents/notifier/": {"schemas", "agents", "stream", "backoffice"},
}
MAY_IMPORT = {
    "schemas": {"schemas"},
    "agents": {"schemas", "agents"},
    "stream": {"schemas", "agents", "stream"},
    "backoffice": {"schemas", "agents", "stream", "backoffice"},
    "payments": {"schemas", "agents", "stream", "backoffice", "payments"},
    "gateway": {"schemas", "agents", "stream", "backoffice", "payments", "gateway"},
    "devkit": {"devkit"},
    "demo": {"schemas", "agents", "stream", "backoffice", "payments", "gateway", "devkit", "demo"},
    "benchmarks": {"schemas", "agents", "stream", "backoffice", "payments", "gateway", "devkit", "demo", "benchmarks"},
    # The reference pages are generated from everything that an operator can see.
    "deploy": {"schemas", "agents", "stream", "backoffice", "payments", "gateway", "deploy"},
    "tests": set(PACKAGES),
}


def test_imports_point_one_way() -> None:
    found(
        f"{name_of(path)}:{line}: imports {module}"
        for package, allowed in MAY_IMPORT.items()
        for path in modules(package)
        for line, module in imports_of(path)
        if module.split(".")[0] in PACKAGES and module.split(".")[0] not in allowed_in(path, allowed)
    )


def allowed_in(path: Path, allowed: set[str]) -> set[str]:
    return next((known for folder, known in PROCESSES.items() if name_of(path).startswith(folder)), allowed)


def test_no_rule_imports_a_process() -> None:
    found(
        f"{name_of(path)}:{line}: imports {module}"
        for path in modules("schemas", "agents", "stream", "backoffice")
        for line, module in imports_of(path)
        for folder in PROCESSES
        if module.startswith(folder.rstrip("/").replace("/", ".")) and not name_of(path).startswith(folder)
    )


# The rest of `backoffice` works on files, without Kafka.
READS_KAFKA = "backoffice/export/"
WITHOUT_KAFKA = {"stream.progress"}


def test_the_back_office_works_on_files() -> None:
    found(
        f"{name_of(path)}:{line}: imports {module}"
        for path in modules("backoffice")
        for line, module in imports_of(path)
        if module.split(".")[0] in {"stream", "aiokafka"} and module not in WITHOUT_KAFKA
        if not name_of(path).startswith(READS_KAFKA)
    )


def test_nothing_imports_the_command_line() -> None:
    found(
        f"{name_of(path)}:{line}: imports {module}"
        for path in modules(*PACKAGES)
        for line, module in imports_of(path)
        if module == "tollgate"
        and name_of(path) not in STARTS_COMMANDS | READS_COMMANDS
        and not name_of(path).startswith("tests/")
    )


def test_no_file_imports_itself_through_others() -> None:
    """No circle of imports, not even one that Python survives."""
    files = {module_of(path): path for path in modules(*PACKAGES)}
    imported = {
        name: {known for _, module in names_imported(path) if (known := known_module(module, files)) not in {"", name}}
        for name, path in files.items()
    }
    circles = []
    while imported:
        free = [name for name, others in imported.items() if not others & imported.keys()]
        if not free:
            circles = sorted(imported)
            break
        for name in free:
            del imported[name]
    found(iter(circles))


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def names_imported(path: Path) -> Iterator[tuple[int, str]]:
    """As `imports_of`, with what is imported behind the module: it may be a module itself."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def known_module(name: str, files: dict[str, Path]) -> str:
    """The module of ours that an imported name is or stands in, empty for a foreign one."""
    if name in files:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in files else ""
