"""`make pictures`: takes the pictures of the owner's page and of a mail in docs/images again, from a running system.

Unlike the reference they are not compared with the code: what a browser draws differs from machine to machine.
"""

import email
import email.policy
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs/images"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
DEADLINE_S = 180
SCALE = 1.5
PAGE: ViewportSize = {"width": 1_040, "height": 1_000}
PHONE: ViewportSize = {"width": 390, "height": 844}
MAIL: ViewportSize = {"width": 640, "height": 760}
LINK = re.compile(r"page of demo-credits .* (http://\S+)$", re.MULTILINE)
RECEIPT = "*demo-credits*Receipt*.eml"


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tollgate-pictures-"))
    try:
        with _running(folder) as text, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_program(), args=["--no-sandbox"])
            _page(browser, LINK.findall(text())[0])
            mails = folder / "data/mails"
            _wait(lambda: bool([*mails.glob(RECEIPT)]), "a receipt by mail")
            _mail(browser, min(mails.glob(RECEIPT)))
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or sys.exit(f"none of {', '.join(BROWSERS)} is here")


@contextmanager
def _running(folder: Path) -> Iterator[Callable[[], str]]:
    """A system that is up; yields what it has printed."""
    out = folder / "out"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOLLGATE_")}
    command = [sys.executable, "-m", "tollgate", "up", "--data", str(folder / "data"), "--every", "5"]
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, env=clean)  # noqa: S603 our own
    try:
        _wait(lambda: "Ctrl-C" in out.read_text(), "a system that is up")
        yield out.read_text
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)


def _page(browser: Browser, link: str) -> None:
    """The overview of the account that pays by the call, on a desk and on a phone."""
    context = browser.new_context(viewport=PAGE, device_scale_factor=SCALE)
    page = context.new_page()
    page.goto(link)
    page.locator("main button").click()
    page.wait_for_url("**/portal")
    page.screenshot(path=IMAGES / "page.png")
    page.goto(page.url + "/transactions")
    page.set_viewport_size(PHONE)
    page.locator("main details summary").first.click()
    page.screenshot(path=IMAGES / "page-phone.png")
    context.close()


def _mail(browser: Browser, path: Path) -> None:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    body = message.get_body(("html",))
    assert body is not None, f"{path.name} has no HTML"
    page = browser.new_page(viewport=MAIL, device_scale_factor=SCALE)
    page.set_content(body.get_content())
    page.screenshot(path=IMAGES / "mail.png", full_page=True)


def _wait(condition: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError(f"{what} did not come within {DEADLINE_S} s")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
