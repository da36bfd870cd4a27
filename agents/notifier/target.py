"""What the notifier delivers to: a webhook, a channel of Apprise, or the mails."""

from typing import Protocol

from agents.notifier.event import Event
from agents.notifier.outcome import Outcome


class Target(Protocol):
    """A target is its name: rows that wait for another attempt know it by nothing else."""

    @property
    def name(self) -> str: ...

    @property
    def types(self) -> frozenset[str]:
        """The types of event that it takes, without patterns: they decide which topics are read."""

    def takes(self, event: Event) -> bool:
        """Whether the event is delivered to this target. Called with events of `types` alone."""

    async def deliver(self, event: Event, attempt: int) -> Outcome:
        """Attempt to deliver; `attempt` counts from 1. Bounds its own time. May be cancelled at any await."""

    async def close(self) -> None:
        """Release what it holds open. No attempt is under way, and none follows."""
