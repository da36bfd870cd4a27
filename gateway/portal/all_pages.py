"""Every area's part of the owner's page."""

from gateway.portal import more, overview
from gateway.portal.actions import Action
from gateway.portal.pages import Download, Page

PAGES: tuple[Page, ...] = (*overview.PAGES, *more.PAGES)
ACTIONS: tuple[Action, ...] = ()
DOWNLOADS: tuple[Download, ...] = ()
