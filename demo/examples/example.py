"""An example of what happened to one account, and the choice of the best example of each kind."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from demo.examples.account_history import AccountHistory


@dataclass(frozen=True, slots=True)
class Example:
    """`text` is a sentence or more, `lines` a table below it. A greater `score` shows more of its kind."""

    score: tuple[int, ...]
    title: str
    text: str
    lines: tuple[str, ...] = ()


# Makes the example of one kind from an account's history; None when the account has none.
ExampleMaker = Callable[[AccountHistory], Example | None]


def best_examples(makers: Sequence[ExampleMaker], histories: Sequence[AccountHistory]) -> Iterator[Example]:
    """The example with the highest score of each kind, in the order of `makers`; the first account wins a tie. Leaves
    out a kind without examples.
    """
    for make in makers:
        examples = [example for history in histories if (example := make(history)) is not None]
        if examples:
            yield max(examples, key=lambda example: example.score)
