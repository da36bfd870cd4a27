"""The page of dead letters: their headers, and each code with cause and remedy."""

from deploy.reference.markdown import code, codes, page, table
from deploy.reference.words import TEXT, WORDS
from stream.ops.metric_table import DEAD_LETTER_CODES, UNTYPED_CODES
from stream.repair.redrive import EMPTIED


def dead_letters_page() -> str:
    words = WORDS["dead_letters"]
    differ = sorted(words.keys() ^ set(DEAD_LETTER_CODES))
    if differ:
        raise KeyError(f"[dead_letters] of words.toml and the engine's codes differ: {differ}")
    emptied, untyped = codes(sorted(EMPTIED)), codes(sorted(UNTYPED_CODES))
    return page(
        "Dead letters",
        TEXT["dead_letters"],
        "## Headers",
        table(("header", "meaning"), ((code(name), text) for name, text in WORDS["letter_headers"].items())),
        "## What a dead letter keeps",
        TEXT["dead_letter_kept"],
        "## Codes",
        TEXT["dead_letter_codes"],
        table(
            ("code", "cause", "remedy"),
            (
                (f'<a id="{name}"></a>{code(name)}', words[name]["cause"], words[name]["remedy"])
                for name in DEAD_LETTER_CODES
            ),
        ),
        f"`tollgate redrive` leaves letters with these codes where they are, because their values are gone: {emptied}.",
        f"`tollgate_unbilled_calls_total` does not count these, because their type cannot be read: {untyped}.",
    )
