"""What one attempt came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target has the event."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed and may succeed later. `why` is for the log: it holds no secret and no address of a person.
    `after_s` is how long the target wants to be left alone; it replaces a shorter delay. After a time-out
    (`timed_out`) the target's next events wait for a minute.
    """

    why: str
    after_s: int | None = None
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No attempt can succeed: the event is not sent again. `why` is for the log, as in Retry."""

    why: str


Outcome = Delivered | Retry | GaveUp
