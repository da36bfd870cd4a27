"""Renders the pages: templates, navigation, and what each page shows beside its own content."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from gateway.parts import Parts
from gateway.portal.call_rows import unbroken
from gateway.portal.pages import Page
from gateway.portal.sending import new_form_id
from gateway.portal.session import Session
from gateway.portal.theme import logo_file, theme_of
from gateway.portal.visit import Visit
from schemas.card_number import text_holds_card_number
from stream import log

logger = log.get("gateway.portal")

HOME, LOGO, STYLE, SCRIPT = "/portal", "/portal/logo", "/portal/portal.css", "/portal/portal.js"
# The navigation: tab, path, label. Beside the pages all are shown, at the bottom of a narrow screen the first ones and
# "More", which leads to the others.
TABS = (
    ("overview", HOME, "Overview"),
    ("credits", "/portal/credits", "Credits"),
    ("usage", "/portal/usage", "Usage"),
    ("invoices", "/portal/invoices", "Invoices"),
)
MORE_TABS = (
    ("plan", "/portal/plan", "Plan"),
    ("handling", "/portal/handling", "Call handling"),
    ("cards", "/portal/cards", "Payment methods"),
    ("settings", "/portal/settings", "Settings"),
)
WALLET = "Wallet"
# Only the markup itself has these characters in a row: in texts and attributes quotes are escaped.
_OWN_PATH = re.compile(r'(=")(/portal[/"?#])')


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that is shown again: messages by field, what was typed, and the form's id by its path."""

    errors: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    form_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """A page with nothing but a few words: `leads` is a link's path and text."""

    status: int
    title: str
    text: str
    leads: tuple[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Ways to help that the page offers: the support's address.
    ask: bool = False


class Screen:
    """Everything that is rendered. `below` is the path of TOLLGATE_PORTAL_URL, under which a proxy serves the page."""

    def __init__(self, parts: Parts, paths: Iterable[str]) -> None:
        issuer, logo = parts.issuer
        self._issuer, self._paths = issuer, frozenset(paths)
        self.below = urlsplit(parts.settings.portal_url).path
        theme = theme_of(issuer)
        if theme.too_weak:
            logger.warning(
                "the issuer's accent is hard to read on white: the owner's page uses a darker shade",
                accent=issuer.accent, shade=theme.accent,
            )  # fmt: skip
        templates = files("gateway.portal") / "templates"
        style = theme.css() + (templates / "portal.css").read_text(encoding="utf-8")
        script = (templates / "portal.js").read_bytes()
        self.assets = {STYLE: (style.encode(), "text/css"), SCRIPT: (script, "text/javascript")}
        if logo is not None:
            self.assets[LOGO] = logo_file(logo)
        self._templates = Environment(
            loader=PackageLoader("gateway.portal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["unbroken"] = unbroken
        self._templates.globals.update(brand=issuer, has_logo=logo is not None, new_form_id=new_form_id)

    def page(
        self,
        page: Page,
        visit: Visit,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        notice: str = "",
        refused: Refused | None = None,
    ) -> Response:
        """A page of the account."""
        refused = refused or Refused()
        return self._render(
            page.template,
            status,
            {
                **context,
                "visit": visit,
                "session": visit.session,
                "snapshot": visit.snapshot,
                "words": visit.words,
                "page": page,
                "title": page.title_for(visit),
                "nav": self._nav(page, visit),
                "notice": notice,
                "errors": refused.errors,
                "values": shown_again(refused.values),
                "form_ids": refused.form_ids,
                "csrf": visit.session.csrf,
            },
        )

    def message(self, message: Message, session: Session | None = None, **context: Any) -> Response:
        """A page with a few words, in a session or without one."""
        session_context = {"session": session, "csrf": session.csrf if session else "", "message": message}
        response = self._render("message.html", message.status, {**session_context, "form": None, **context})
        response.headers.update(message.headers)
        return response

    def _render(self, template: str, status: int, context: Mapping[str, Any]) -> Response:
        html = self._templates.get_template(template).render(context)
        return HTMLResponse(_OWN_PATH.sub(rf"\1{self.below}\2", html) if self.below else html, status)

    def _nav(self, page: Page, visit: Visit) -> list[dict[str, Any]]:
        """The entries: `where` is `all`, or `wide` or `narrow` screens alone."""
        folded = {tab for tab, _, _ in MORE_TABS}
        entries: list[dict[str, Any]] = [
            {
                "path": path,
                "label": WALLET if tab == "credits" and not visit.credits else label,
                "tab": tab,
                "where": where,
            }
            for tabs, where in ((TABS, "all"), (MORE_TABS, "wide"))
            for tab, path, label in tabs
            if path in self._paths
        ]
        more: dict[str, Any] = {"path": "/portal/more", "label": "More", "tab": "more", "where": "narrow"}
        for entry in (*entries, more):
            entry["lit"] = page.tab == entry["tab"] or (entry is more and page.tab in folded)
        return [*entries, more]


def shown_again(values: Mapping[str, str]) -> dict[str, str]:
    """What was typed into a form, but for a value that holds a card number: no answer repeats one."""
    return {name: value for name, value in values.items() if not text_holds_card_number(value)}
