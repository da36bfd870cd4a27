"""A story, and how the most telling one of each kind is found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from demo.stories.account_file import AccountFile


@dataclass(frozen=True, slots=True)
class Story:
    """`text` in plain words, `lines` a table below it. Of several of a kind the one with the greatest `score` says
    most.
    """

    score: tuple[int, ...]
    title: str
    text: str
    lines: tuple[str, ...] = ()


Teller = Callable[[AccountFile], Story | None]


def best_stories(tellers: Sequence[Teller], files: Sequence[AccountFile]) -> Iterator[Story]:
    """The best of each kind, in the order of `tellers`; of equal ones the first by account. A kind that the run has
    none of is left out.
    """
    for tell in tellers:
        told = [story for file in files if (story := tell(file)) is not None]
        if told:
            yield max(told, key=lambda story: story.score)
