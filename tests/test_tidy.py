"""What the house style asks of every file, checked on the source: purity, names, sizes."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.order import LONGEST_FIRST

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    *("schemas", "agents", "stream", "backoffice", "payments", "gateway", "devkit", "demo", "benchmarks", "deploy"),
    "tests",
)
FUNCTION_LINES_MAX = 40
MODULE_LINES_MAX = 300

# Longer than that today, each with its reason. Take an entry out when the reason is gone.
LONG_FUNCTIONS: dict[str, str] = {}
LONG_MODULES: dict[str, str] = {}


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository that exist, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return tuple(path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file())


def modules(*packages: str) -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in packages]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import, wherever in the module it stands."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: import by the full name"
            yield node.lineno, node.module or ""


def found(places: Iterator[str]) -> None:
    """Fail with everything that was found, not with the first only."""
    listed = list(places)
    assert not listed, "\n" + "\n".join(listed)


# Values and rules see no clock, no chance and no outside world: the same log gives the same bytes.
IMPURE = {
    *(
        "faust",
        "mode",
        "aiokafka",
        "redis",
        "asyncio",
        "threading",
        "multiprocessing",
        "concurrent",
        "socket",
        "select",
    ),
    *(
        "time",
        "random",
        "secrets",
        "uuid",
        "logging",
        "structlog",
        "subprocess",
        "urllib",
        "http",
        "os",
        "sys",
        "signal",
    ),
}
READS_A_CLOCK = {"now", "utcnow", "today", "fromtimestamp", "time", "monotonic", "perf_counter", "uuid4", "uuid1"}
THIRD_PARTY = {"schemas": {"msgspec", "orjson"}, "agents": {"msgspec"}}

# `python -m schemas.wire` is a tool that writes the published contract out: no value and no rule.
TOOLS = "schemas/wire/"
# Processes beside the wallet read clocks and talk to the world; what they decide without it is in these modules.
PROCESSES = ("agents/views/", "agents/notifier/")
PURE_IN_PROCESSES = {
    *("agents/views/layout.py", "agents/views/expected.py", "agents/views/starts.py"),
    *(f"agents/notifier/{name}.py" for name in ("event", "event_types", "outcome", "progress", "rows")),
}


def pure_modules() -> list[Path]:
    return [
        path
        for path in modules("schemas", "agents")
        if name_of(path) in PURE_IN_PROCESSES or not name_of(path).startswith((TOOLS, *PROCESSES))
    ]


def test_values_and_rules_import_nothing_impure() -> None:
    found(
        f"{name_of(path)}:{line}: imports {module}"
        for path in pure_modules()
        for line, module in imports_of(path)
        if (top := module.split(".")[0]) in IMPURE
        or (top not in {*sys.stdlib_module_names, *PACKAGES, *THIRD_PARTY[name_of(path).split("/")[0]]})
    )


def test_values_and_rules_read_no_clock() -> None:
    found(
        f"{name_of(path)}:{node.lineno}: .{node.attr}"
        for path in pure_modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in READS_A_CLOCK
    )


def test_values_and_rules_print_and_open_nothing() -> None:
    found(
        f"{name_of(path)}:{node.lineno}: {node.func.id}()"
        for path in pure_modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "open", "input"}
    )


# The wire has minutes as numbers. They are made in this one place, for people: nothing is computed from them.
MAKES_MINUTES = "millis / (MINUTE_MS * parts)"


# G1: money is an integer. Neither a float nor a division that makes one stands in schemas/ or agents/.
def test_g01_no_float_is_made_where_money_is() -> None:
    def makes_a_float(node: ast.AST) -> bool:
        if isinstance(node, ast.Constant):
            return isinstance(node.value, float)
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Name) and node.func.id in {"float", "round"}
        return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)

    found(
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for path in pure_modules()
        for node in ast.walk(tree_of(path))
        if makes_a_float(node) and ast.unparse(node) != MAKES_MINUTES
    )


def test_mypy_checks_every_python_file() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    found(name_of(path) for path in tracked() if path.suffix == ".py" and name_of(path).split("/")[0] not in checked)


def test_no_file_has_a_name_that_says_nothing() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc"}
    found(name_of(path) for path in tracked() if path.suffix == ".py" and path.stem in banned)


def test_nothing_swallows_every_exception() -> None:
    def catches_all(node: ast.AST) -> bool:
        if not isinstance(node, ast.ExceptHandler):
            return False
        caught = [] if node.type is None else ast.walk(node.type)
        return node.type is None or any(isinstance(name, ast.Name) and name.id == "Exception" for name in caught)

    found(
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in modules(*PACKAGES)
        for node in ast.walk(tree_of(path))
        if catches_all(node)
    )


# Split, so that this file does not hold what it looks for.
SILENCED = re.compile(r"#\s*type:\s*" + r"ignore(\[[^]]*\])?(?!\[)(?!\s+#\s*\S)")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + r"work|root|Users|home/[a-z]+)/")
REGISTRY_HOSTS = re.compile(
    "|".join(["py" + r"pi\.org", "python" + r"hosted", "repo1?\\." + "maven", "npm" + r"js\.org", "deb\\." + "debian"])
)

# Paths in an image are the image's own.
CONTAINER_FILES = {"deploy/Dockerfile"}


def lines_with(pattern: re.Pattern[str], suffixes: tuple[str, ...] = ()) -> Iterator[str]:
    for path in tracked():
        if (suffixes and path.suffix not in suffixes) or name_of(path) in CONTAINER_FILES:
            continue
        text = path.read_bytes()
        if b"\0" in text:
            continue
        for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                yield f"{name_of(path)}:{number}: {line.strip()[:100]}"


def test_a_silenced_type_error_says_why() -> None:
    found(lines_with(SILENCED, (".py",)))


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine paths", "registry hosts"])
def test_no_file_knows_one_machine(pattern: re.Pattern[str]) -> None:
    found(lines_with(pattern))


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines) of each function, its decorators left out: a table of cases is no code."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{name_of(path)}:{node.name}", node.end_lineno - node.lineno + 1


def test_functions_are_short() -> None:
    lengths = {name: lines for path in modules(*PACKAGES) for name, lines in functions_of(path)}
    long = {name for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX}
    found(f"{name}: {lengths[name]} lines" for name in sorted(long - LONG_FUNCTIONS.keys()))
    assert long >= LONG_FUNCTIONS.keys(), "a function became short: take it off the list"


def test_modules_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*PACKAGES)}
    long = {name for name, lines in lengths.items() if lines > MODULE_LINES_MAX}
    found(f"{name}: {lengths[name]} lines" for name in sorted(long - LONG_MODULES.keys()))
    assert long >= LONG_MODULES.keys(), "a module became short: take it off the list"


INSIDE_WORD = re.compile(r"\bfacts?\b", re.IGNORECASE)
USER_FACING = (
    ROOT / "deploy/grafana/dashboards/tollgate.json",
    ROOT / "deploy/prometheus/alerts.yml",
    ROOT / "schemas/wire/asyncapi.yaml",
)


def literals_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every string in the module but its docstrings: its messages, help texts and metavars."""
    tree = tree_of(path)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_users_read_event_and_never_fact() -> None:
    """`fact` is the code's own word. A literal that is one identifier names an attribute or a log field's value."""
    found(
        f"{name_of(path)}:{line}: {text}"
        for path in modules(*(package for package in PACKAGES if package != "tests"))
        for line, text in literals_of(path)
        if INSIDE_WORD.search(text) and not text.isidentifier()
    )
    found(f"{name_of(path)}: fact" for path in USER_FACING if INSIDE_WORD.search(path.read_text(encoding="utf-8")))


def test_the_files_that_start_first_exist() -> None:
    found(f"tests/order.py: {name}" for name in LONGEST_FIRST if not (ROOT / name).is_file())


def test_names_are_whole_words() -> None:
    """`account_id`, never `acct`. One word for one thing."""
    abbreviated = re.compile(r"(^|_)(acct|amt|bal|cfg|ctx|msg|evt|mgr|tmp)(_|$)")
    found(
        f"{name_of(path)}:{node.lineno}: {node.id}"
        for path in pure_modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Name) and abbreviated.search(node.id)
    )
