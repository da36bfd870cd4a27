"""How a check says what does not add up."""

from collections.abc import Iterable, Iterator

EXAMPLES_MAX = 3


def finding(what: str, found: Iterable[str]) -> Iterator[str]:
    """One sentence that counts what was found and names the first few, accounts and records; none when there is
    nothing.
    """
    named = sorted(found)
    if named:
        yield f"{len(named)} {what}: {', '.join(named[:EXAMPLES_MAX])}"
