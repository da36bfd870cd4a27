"""Every area's part of the owner's page."""

from gateway.portal import call_costs, cards, credits, more, overview, refill, transactions  # noqa: A004 a page's name
from gateway.portal.actions import Action
from gateway.portal.pages import Download, Page
from gateway.portal.site import Site

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *(*credits.PAGES, *transactions.PAGES, *call_costs.PAGES, *refill.PAGES, *cards.PAGES),
    *more.PAGES,
)
ACTIONS: tuple[Action, ...] = (*credits.ACTIONS, *refill.ACTIONS, *cards.ACTIONS)
DOWNLOADS: tuple[Download, ...] = ()

SITE = Site(PAGES, ACTIONS, DOWNLOADS)
