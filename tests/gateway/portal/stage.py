"""Owners of accounts in front of the page: by HTTP, and in a browser."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from devkit.server import free_port
from tests.gateway.stage import PRODUCT, GatewayStage, Reply, call
from tests.lane.stage import wait_until

ISSUER = (
    'name = "Example Telephony"\naddress = ["1 High Street", "London"]\n'
    'email = "support@example.com"\naccent = "#0b6e6e"\n'
)
# Taken out of the environment: the processes of the tests refuse a variable that is none of their settings.
PICTURES = os.environ.pop("TOLLGATE_PICTURES", "")
FORM = "application/x-www-form-urlencoded"
COOKIE = "tollgate"
# WCAG 2.2, levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Owners:
    """A stage with a gateway that serves the page."""

    def __init__(
        self, stage: GatewayStage, browser: Browser | None = None, program: Sequence[str] = PRODUCT, **settings: Any
    ) -> None:
        self.stage, self.browser, port = stage, browser, free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.gateway = stage.gateway(
            program=program,
            gateway_port=port,
            portal_url=self.url,
            portal_return_hosts="app.example.com",
            payments_provider="fake",
            **settings,
        )

    def account(self, account_id: str, plan: str = "free", **fields: Any) -> str:
        """A new account, which the views have too."""
        reply = self.stage.post("/v1/accounts", {"account_id": account_id, "plan": plan, **fields})
        assert reply.status in {201, 202}, reply.body
        self.stage.shown(account_id, reply)
        return account_id

    def send(self, account_id: str, kind: str, **fields: Any) -> dict[str, Any]:
        """An input, by the API, whose effect the views have too. It is pending where nobody decides."""
        reply = self.stage.post(f"/v1/accounts/{account_id}/{kind}", fields)
        assert reply.status in {200, 202}, reply.body
        self.stage.shown(account_id, reply)
        answer: dict[str, Any] = reply.json()
        return answer

    def link(self, account_id: str, mode: str = "manage", *, key: str = "", **body: Any) -> str:
        """The path of a new link."""
        reply = self.stage.post(f"/v1/accounts/{account_id}/portal-links", {"mode": mode, **body}, key=key)
        assert reply.status == 201, reply.body
        return urlsplit(str(reply.json()["url"])).path

    def visitor(self, account_id: str = "", mode: str = "manage", *, key: str = "", **body: Any) -> "Visitor":
        """Somebody without a browser; with an account signed in."""
        visitor = Visitor(self)
        if account_id:
            opened = visitor.post(self.link(account_id, mode, key=key, **body), {})
            assert opened.status == 303, (opened.status, opened.body)
            visitor.cookie = cookie_of(opened)
        return visitor

    def context(self, account_id: str = "", mode: str = "manage", **options: Any) -> BrowserContext:
        """A browser of its own; with an account signed in. Close it, or use it in `with`."""
        assert self.browser is not None, "these owners have no browser"
        context = self.browser.new_context(base_url=self.url, **options)
        context.set_default_timeout(30_000)
        if account_id:
            page = context.new_page()
            page.goto(self.link(account_id, mode))
            page.get_by_role("button", name="Open account").click()
            page.wait_for_url(f"{self.url}/portal")
            page.close()
        return context


@dataclass
class Visitor:
    """Requests with a cookie, as a browser without script sends them."""

    owners: Owners
    cookie: str = ""

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str], *, origin: str | None = "", port: int = 0) -> Reply:
        """A form. `origin` is our own by default; None sends none. `port` is that of another gateway."""
        sent = {"Content-Type": FORM}
        if origin is not None:
            sent["Origin"] = origin or self.owners.url
        return self.request("POST", path, urlencode(fields).encode(), sent, port)

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], port: int = 0) -> Reply:
        own = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        return call(port or self.owners.gateway.port, method, path, body, own | dict(headers))

    def hidden(self, path: str) -> dict[str, str]:
        """The hidden fields of a page's last form, with the session's token."""
        reply = self.get(path)
        assert reply.status == 200, (reply.status, reply.body)
        return dict(_HIDDEN.findall(reply.body.decode()))

    def send_form(self, page: str, action: str, **fields: str) -> Reply:
        """Fill in the form of a page and send it."""
        return self.post(action, {**self.hidden(page), **fields})


def cookie_of(reply: Reply) -> str:
    """The cookie's value that an answer sets."""
    return reply.headers["set-cookie"].partition(";")[0].partition("=")[2]


class Watched:
    """What a page's console says, which is nothing when all is well."""

    def __init__(self, page: Page) -> None:
        self.lines: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.lines.append(str(error)))

    def _said(self, line: ConsoleMessage) -> None:
        # Views that a test fills have no log behind them: after five seconds their stream is refused.
        if line.type in {"error", "warning"} and "/portal/events" not in line.location["url"]:
            self.lines.append(f"{line.text} {line.location['url']}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is None:
            assert not self.lines, self.lines
        else:
            error.add_note(f"The page's console: {self.lines}")


def assert_accessible(page: Page) -> None:
    """No violation of WCAG 2.2 AA that axe finds, and nothing wider than the screen."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert_fits(page)


def assert_fits(page: Page) -> None:
    """The page needs no scrolling sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{wide} pixels too wide"


def picture(page: Page, name: str, directory: Path | None = None) -> None:
    """A picture of the whole page, in the folder of TOLLGATE_PICTURES if it names one. The window is made as high as
    the page, so that a phone's bar stands below everything.
    """
    folder, size = PICTURES or directory, page.viewport_size
    if folder is None or size is None:
        return
    high = int(page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": size["width"], "height": max(high, size["height"])})
    page.screenshot(path=Path(folder) / f"{name}.png")
    page.set_viewport_size(size)


def live(page: Page) -> None:
    """Wait until the page follows its account."""
    wait_until(lambda: page.locator("body").get_attribute("data-live") == "on", "a page that is live")
