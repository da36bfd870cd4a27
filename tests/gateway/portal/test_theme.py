"""The issuer's accent is readable on both grounds, and its logo stands on the page."""

import re
from pathlib import Path

import pytest

from backoffice.documents.issuer import ACCENT, Issuer
from gateway.portal.theme import DARK, LIGHT, contrast, readable, theme_of
from tests.gateway.portal.stage import Owners
from tests.gateway.stage import call

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
        ("#123456", "#123456", 1.0),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert round(contrast(one, other), 2) == round(contrast(other, one), 2) == ratio


@pytest.mark.parametrize("accent", ["#ffe000", "#ffffff", "#000000", "#1f4e66", "#ff00ff", "#0b6e6e", "#7f7f7f"])
def test_any_accent_is_readable_on_both_grounds(accent: str) -> None:
    theme = theme_of(Issuer(accent=accent))
    assert contrast(theme.accent, LIGHT) >= 4.5
    assert contrast(theme.dark_accent, DARK) >= 4.5
    assert theme.too_weak == (contrast(accent, LIGHT) < 4.5)
    assert theme.accent == accent or theme.too_weak


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    style = (Path(__file__).parents[3] / "gateway/portal/templates/portal.css").read_text()
    assert re.findall(r"--raised: (#[0-9a-f]{6})", style) == [LIGHT, DARK]
    for ground, raised in zip(re.findall(r"--ground: (#[0-9a-f]{6})", style), (LIGHT, DARK), strict=True):
        for accent in ("#ffe000", "#0b6e6e", "#7f7f7f"):
            assert contrast(readable(accent, raised), ground) >= 4.5
    assert readable(ACCENT, LIGHT) == ACCENT


def test_a_weak_accent_is_told_at_start_and_darkened(owners: Owners, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    issuer = tmp_path / "issuer.toml"
    issuer.write_text('name = "Weak & Co"\naccent = "#ffe000"\nlogo = "logo.svg"\nemail = "help@example.com"\n')
    gateway = owners.stage.starting_gateway(issuer=issuer).wait_ready()
    [warning] = gateway.events("the issuer's accent is hard to read on white: the owner's page uses a darker shade")
    style = call(gateway.port, "GET", "/portal/portal.css").body.decode()
    assert style.startswith(f":root {{ --accent: {warning['shade']}; }}")
    logo = call(gateway.port, "GET", "/portal/logo")
    assert (logo.status, logo.headers["content-type"], logo.body) == (200, "image/svg+xml", LOGO.encode())
    assert "script-src 'self'" in logo.headers["content-security-policy"]
    page = call(gateway.port, "GET", "/portal").body
    assert b'<img src="/portal/logo" alt="Weak &amp; Co"' in page
    assert b'href="mailto:help@example.com"' in page
    gateway.stop()
