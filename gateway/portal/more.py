"""`/portal/more`: what the bar of a narrow screen has no room for."""

from typing import Any

from gateway.portal.pages import Page
from gateway.portal.visit import Visit

_MEANING = {
    "plan": "What is included, what it costs, and other plans",
    "handling": "What happens to calls beyond the included ones",
    "cards": "The cards that pay",
    "settings": "Redirect number, alerts, billing e-mail and details",
}


async def _context(_: Visit) -> dict[str, Any]:
    return {"meaning": _MEANING}


PAGES = (Page("/portal/more", "more", "More", "more.html", _context),)
