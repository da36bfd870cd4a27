"""The golden histories, and how their facts are written again after a deliberate change:

    python -m tests.wire.golden_files

Read golden/README.md before committing what it changes.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import orjson

from backoffice.replay import replay_lines, snapshot_lines
from schemas.plan import Catalogue, load_catalogue

GOLDEN = Path(__file__).parent / "golden" / "v1"
CATALOGUE = load_catalogue(GOLDEN / "plans.toml")
EXAMPLES = Path(__file__).parents[2] / "schemas" / "wire" / "examples" / "events.jsonl"
THEMES = sorted(path.name.removesuffix(".inputs.jsonl") for path in GOLDEN.glob("*.inputs.jsonl"))
_OF_MINUTES_PLANS = {"invoice", "minutes", "subscription"}
# Where a minutes plan has other fields, or more lines, than a credits plan.
_OTHERWISE = {
    ("invoice", "invoice-issued"),
    ("minutes", "account-snapshot"),
    ("minutes", "call-charged"),
    ("minutes", "charge-adjusted"),
}


@cache
def catalogue_of(theme: str) -> Catalogue:
    """The catalogue of a history: its own where it needs other plans, else the one of all the others."""
    return load_catalogue(plans_of(theme))


def plans_of(theme: str) -> Path:
    own = GOLDEN / f"{theme}.plans.toml"
    return own if own.exists() else GOLDEN / "plans.toml"


def inputs_of(theme: str) -> list[bytes]:
    return (GOLDEN / f"{theme}.inputs.jsonl").read_bytes().splitlines()


def facts_of(theme: str) -> bytes:
    """The facts of a theme as its golden file holds them. Reading JSON and writing it again keeps the bytes."""
    facts = replay_lines(inputs_of(theme), catalogue_of(theme))
    return b"".join(orjson.dumps(_without_message(fact)) + b"\n" for fact in facts)


def snapshots_of(theme: str) -> bytes:
    snapshots = snapshot_lines(inputs_of(theme), catalogue_of(theme))
    return b"".join(orjson.dumps(snapshot) + b"\n" for snapshot in snapshots)


def examples() -> bytes:
    """The first fact of each type that the histories give, and of a minutes plan those that look otherwise there, for
    the published schemas.
    """
    first: dict[tuple[str, str], bytes] = {}
    for theme in sorted(THEMES, key=_OF_MINUTES_PLANS.__contains__):
        for line in _golden_lines(theme):
            kind = orjson.loads(line)["type"]
            first.setdefault((kind, ""), line)
            if (theme, kind) in _OTHERWISE:
                first.setdefault((kind, theme), line)
    first.pop(("dead-letter", ""))
    return b"".join(line + b"\n" for _, line in sorted(first.items()))


def _golden_lines(theme: str) -> Iterator[bytes]:
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
