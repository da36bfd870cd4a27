"""Every area's part of the owner's page."""

from gateway.portal import more, overview
from gateway.portal.actions import Action
from gateway.portal.pages import Download, Page
from gateway.portal.site import Site

PAGES: tuple[Page, ...] = (*overview.PAGES, *more.PAGES)
ACTIONS: tuple[Action, ...] = ()
DOWNLOADS: tuple[Download, ...] = ()

SITE = Site(PAGES, ACTIONS, DOWNLOADS)
