"""What the owner's page consists of: pages, and files to download."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gateway.portal.visit import Visit


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `tab` is the entry of the navigation that is lit. `changes`: the page is there to change something, so
    a session that may only read does not get it.
    """

    path: str
    tab: str
    title: str | Callable[[Visit], str]
    template: str
    context: Callable[[Visit], Awaitable[dict[str, Any]]]
    changes: bool = False

    def title_for(self, visit: Visit) -> str:
        return self.title(visit) if callable(self.title) else self.title


@dataclass(frozen=True, slots=True)
class Download:
    """A file that the page offers. `respond` may raise Problem."""

    path: str
    respond: Callable[[Visit], Awaitable[Response]]
