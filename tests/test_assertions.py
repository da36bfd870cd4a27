"""An assertion only looks: the code does the same without it."""

import ast

from tests.test_tidy import PACKAGES, found, modules, name_of, tree_of

# What an assertion may call: it reads and changes nothing. Everything else is called before it, under a name.
PURE_CALLS = {"isinstance", "issubclass", "type", "len", "all", "any", "sum", "min", "max", "set", "sorted"}


def test_an_assertion_changes_nothing() -> None:
    """Without assertions (`python -O`) whatever an assertion does would not be done."""

    def does_something(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return not (isinstance(node.func, ast.Name) and node.func.id in PURE_CALLS)
        return isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)

    found(
        f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in modules(*PACKAGES)
        if name_of(path).split("/")[0] != "tests"  # There it is pytest that runs them, never without.
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assert) and any(does_something(part) for part in ast.walk(node.test))
    )
