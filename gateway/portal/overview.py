"""`/portal`: will calls be answered, how much is left, and what did that cost."""

from typing import Any

from gateway.portal.pages import Page
from gateway.portal.visit import Visit


async def _context(_: Visit) -> dict[str, Any]:
    return {}


PAGES = (Page("/portal", "overview", "Overview", "overview.html", _context),)
