"""What the owner's page serves, as one value."""

from dataclasses import dataclass

from gateway.portal.actions import Action
from gateway.portal.pages import Download, Page


@dataclass(frozen=True, slots=True)
class Site:
    pages: tuple[Page, ...]
    actions: tuple[Action, ...] = ()
    downloads: tuple[Download, ...] = ()
