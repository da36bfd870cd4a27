"""Every area's part of the owner's page."""

from gateway.portal import (
    call_costs,
    cards,
    credits,  # noqa: A004 the name of the page
    handling,
    invoices,
    more,
    overview,
    owner_settings,
    plan,
    refill,
    transactions,
    usage,
)
from gateway.portal.actions import Action
from gateway.portal.pages import Download, Page
from gateway.portal.site import Site

PAGES: tuple[Page, ...] = (
    *(*overview.PAGES, *usage.PAGES, *invoices.PAGES),
    *(*credits.PAGES, *transactions.PAGES, *call_costs.PAGES, *refill.PAGES, *cards.PAGES),
    *(*plan.PAGES, *handling.PAGES, *owner_settings.PAGES, *more.PAGES),
)
ACTIONS: tuple[Action, ...] = (
    *(*credits.ACTIONS, *refill.ACTIONS, *cards.ACTIONS),
    *(*plan.ACTIONS, *handling.ACTIONS, *owner_settings.ACTIONS),
)
DOWNLOADS: tuple[Download, ...] = (*usage.DOWNLOADS, *invoices.DOWNLOADS)

SITE = Site(PAGES, ACTIONS, DOWNLOADS)
