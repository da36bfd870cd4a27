"""The golden histories, and how their facts are written again after a deliberate change:

    python -m tests.wire.golden_files

Read golden/README.md before committing what it changes.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson

from schemas.plan import load_catalogue
from stream.replay import replay_lines, snapshot_lines

GOLDEN = Path(__file__).parent / "golden" / "v1"
CATALOGUE = load_catalogue(GOLDEN / "plans.toml")
EXAMPLES = Path(__file__).parents[2] / "schemas" / "wire" / "examples" / "facts.jsonl"
THEMES = sorted(path.name.removesuffix(".inputs.jsonl") for path in GOLDEN.glob("*.inputs.jsonl"))


def inputs_of(theme: str) -> list[bytes]:
    return (GOLDEN / f"{theme}.inputs.jsonl").read_bytes().splitlines()


def facts_of(theme: str) -> bytes:
    """The facts of a theme as its golden file holds them. Reading JSON and writing it again keeps the bytes."""
    facts = replay_lines(inputs_of(theme), CATALOGUE)
    return b"".join(orjson.dumps(_without_message(fact)) + b"\n" for fact in facts)


def snapshots_of(theme: str) -> bytes:
    return b"".join(orjson.dumps(snapshot) + b"\n" for snapshot in snapshot_lines(inputs_of(theme), CATALOGUE))


def examples() -> bytes:
    """The first fact of each type that the histories give, for the published schemas."""
    first: dict[str, bytes] = {}
    for line in _golden_lines():
        first.setdefault(orjson.loads(line)["type"], line)
    first.pop("dead-letter")
    return b"".join(line + b"\n" for _, line in sorted(first.items()))


def _golden_lines() -> Iterator[bytes]:
    for theme in THEMES:
        yield from (GOLDEN / f"{theme}.facts.jsonl").read_bytes().splitlines()
        yield from (GOLDEN / f"{theme}.snapshots.jsonl").read_bytes().splitlines()


def _without_message(fact: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fact.items() if name != "message"} if "code" in fact else fact


def main() -> None:
    for theme in THEMES:
        (GOLDEN / f"{theme}.facts.jsonl").write_bytes(facts_of(theme))
        (GOLDEN / f"{theme}.snapshots.jsonl").write_bytes(snapshots_of(theme))
    EXAMPLES.parent.mkdir(exist_ok=True)
    EXAMPLES.write_bytes(examples())


if __name__ == "__main__":
    main()
