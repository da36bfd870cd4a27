"""How the mails look in a browser: on a phone and on a desk, light and dark.

With TOLLGATE_PICTURES=FOLDER the pictures stay in FOLDER, for people to look at.
"""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Browser, Page, sync_playwright

from agents.notifier.mail.writing import LOGO_ID, Writer
from agents.notifier.tables import Brand
from tests.browser import chromium
from tests.notifier.mail.samples import named_events, one, writer

WIDTHS = (360, 600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 64">
<rect width="64" height="64" rx="14" fill="#0b6e4f"/><path d="m20 40 12-20 12 20z" fill="#fff"/>
<rect x="84" y="20" width="200" height="24" rx="6" fill="#1b1e24"/></svg>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kept = os.environ.get("TOLLGATE_PICTURES")
    found = Path(kept) / "mails" if kept else tmp_path
    found.mkdir(parents=True, exist_ok=True)
    return found


def branded(folder: Path) -> Writer:
    (folder / "logo.svg").write_text(LOGO)
    return writer(
        Brand(name="Acme Voice", colour="#ffd400", logo=folder / "logo.svg", portal_url="https://acme.example")
    )


def shown(made: Writer, html: str) -> str:
    """The HTML with the logo where a mail program would find it in the mail."""
    logo = made.look.logo
    if logo is None:
        return html
    return html.replace(f"cid:{LOGO_ID}", f"data:image/png;base64,{base64.b64encode(logo.png).decode()}")


def check(page: Page, name: str) -> None:
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0, f"{name} is {overflow} px too wide"
    # A mail is no page of a site: it needs no landmarks.
    found = Axe().run(page, options={"rules": {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}})
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def look(browser: Browser, made: Writer, mails: dict[str, str], folder: Path) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            with browser.new_page(viewport={"width": width, "height": 400}, color_scheme=scheme) as page:
                for name, html in mails.items():
                    page.set_content(shown(made, html))
                    check(page, f"{name} {scheme} {width}")
                    page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)


def test_every_mail_fits_its_screen_and_can_be_read(browser: Browser, folder: Path) -> None:
    """Takes about a minute: each mail is laid out four times and checked for contrast and structure."""
    made = writer()
    mails = {name: made.write(event).html for name, event in named_events().items()}
    refused = made.write_refused(one("invoice-issued"), "owner@example.com", "550 5.1.1 no such user here")
    look(browser, made, mails | {"mail-refused": refused.html}, folder)


def test_a_logo_a_bright_colour_and_long_ids_fit_too(browser: Browser, folder: Path) -> None:
    made = branded(folder)
    receipt = one(
        "receipt-issued", account_id="a" * 128, receipt_id="r" * 200, amount_micros=9 * 10**15, currency="KWD"
    )
    mails = {
        "logo-receipt": made.write(receipt).html,
        "logo-balance-low": made.write(one("balance-low")).html,
        "logo-call-stuck": made.write(one("call-stuck", call_id="c" * 128)).html,
    }
    look(browser, made, mails, folder)


def test_it_can_be_read_without_pictures(browser: Browser, folder: Path) -> None:
    """The logo's place has the name, and nothing else is a picture."""
    made = branded(folder)
    with browser.new_page(viewport={"width": 360, "height": 400}) as page:
        page.set_content(made.write(one("balance-low")).html)
        assert page.locator("img").count() == 1
        assert page.locator("img").get_attribute("alt") == "Acme Voice"
