"""The steps of a call that is reported by legs, for the tables about them. Moments of the day `2026-01-01`."""

from typing import Any

from tests.rules.story import Event, Story

CALL = "call"


def at(time: str) -> str:
    return f"2026-01-01T{time}Z" if len(time) > 5 else f"2026-01-01T00:{time}Z"


def ends_leg(
    story: Any, leg: str | None, started: str, answered: str | None, ended: str, *, call: str = CALL, **fields: Any
) -> Any:
    """One end of a leg; `leg` None is an end without `leg_id`."""
    named = {} if leg is None else {"leg_id": leg}
    said = {
        "started": at(started),
        "answered_at": None if answered is None else at(answered),
        "outcome": "no_answer" if answered is None else "completed",
        "at": at(ended),
    }
    return story.ends(call, **named, **{**said, **fields})


def starts_leg(story: Story, leg: str | None, started: str = "00:00") -> Story:
    return story.starts(CALL, at=at(started), **({} if leg is None else {"leg_id": leg}))


def net(story: Story) -> int:
    return story.costs().get(CALL, 0)


def newest(story: Story) -> Event:
    return story.facts("call-charged", "charge-adjusted")[-1]
