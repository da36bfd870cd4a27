"""Call handling and settings, by clicking: each form with a value that is taken and one that is refused."""

import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.portal.actions import FieldError, Form
from gateway.portal.handling import redirect_number
from gateway.portal.owner_settings import countries
from tests.gateway.portal.stage import Owners, Watched, assert_accessible, live, picture
from tests.gateway.stage import Reply


def snapshot(owners: Owners, account: str, after: Reply | None = None) -> dict[str, Any]:
    """The account, once the views have it, with the change that `after` answered."""
    version = 0 if after is None else int(after.headers["location"].partition("after=")[2])
    reply = owners.stage.get(f"/v1/accounts/{account}?min_version={version}")
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    assert found["version"] >= version
    return found


def saved(page: Page, text: str) -> None:
    expect(page.locator("main > .notice.fine")).to_contain_text(text)


def refused(page: Page, field: str, message: str) -> None:
    """The message stands beside the field and in the summary, whose link leads to the field."""
    expect(page.locator(f"#{field}-error")).to_contain_text(message)
    summary = page.locator("#errors")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("link", name=message)).to_have_attribute("href", f"#{field}")
    assert_accessible(page)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+14155550100", "+14155550100"),
        (" +1 (415) 555-0100 ", "+14155550100"),
        ("+44 20.7123.4567", "+442071234567"),
        ("sip:desk@example.com", "sip:desk@example.com"),
        ("", None),
        ("415 555 0100", None),
        ("+0123456789", None),
        ("+1234567890123456", None),
        ("+1 415 CALL NOW", None),
        ("javascript:alert(1)", None),
        ("sip:", None),
    ],
)
def test_numbers_that_calls_can_be_redirected_to(typed: str, number: str | None) -> None:
    form = Form([("redirect_to", typed)])
    if number is not None:
        assert redirect_number(form) == number
        return
    with pytest.raises(FieldError) as error:
        redirect_number(form)
    assert error.value.field == "redirect_to"


def test_countries_are_those_of_the_world() -> None:
    codes = [code for code, _ in countries()]
    assert codes[0] == ""
    assert {"GB", "US", "DE", "JP", "XK"} <= set(codes)
    assert not {"EU", "ZZ", "001", "XA"} & set(codes)


def test_c03_what_happens_after_the_included_calls(owners: Owners, tmp_path: Path) -> None:
    account = owners.account("handling-1")
    keep = "Keep my AI receptionist handling calls ($3.00 per extra call)"
    with owners.context(account) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal/handling")
            live(page)
            expect(page.get_by_label("Redirect calls", exact=True)).to_be_checked()
            expect(page.locator("#handling-beyond")).to_contain_text("No number is set yet.")
            assert_accessible(page)
            picture(page, "handling-new", tmp_path)
            page.get_by_label(keep).check()
            page.get_by_role("button", name="Save", exact=True).click()
            saved(page, "It applies from the next call.")
            expect(page.get_by_label(keep)).to_be_checked()
            expect(page.locator("#handling-beyond")).to_contain_text("Extra calls are on, waiting for credits")
            picture(page, "handling-waiting", tmp_path)
            assert snapshot(owners, account)["features"]["extra_calls"] is True
            page.get_by_label("Redirect calls to").last.fill("+1 415 555 0100")
            page.get_by_role("button", name="Save number").click()
            saved(page, "The redirect number is saved.")
            page.get_by_label("Redirect calls to +1 415 555 0100").check()
            page.get_by_role("button", name="Save", exact=True).click()
            saved(page, "It applies from the next call.")
            assert_accessible(page)
    after = snapshot(owners, account)
    assert (after["features"]["extra_calls"], after["redirect_to"]) == (False, "+14155550100")


def test_m05_minutes_plans_answer_every_call(owners: Owners, tmp_path: Path) -> None:
    account = owners.account("handling-minutes", "professional")
    with owners.context(account, mode="read", viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.goto("/portal/handling")
        expect(page.locator("main")).to_contain_text("Every call is answered.")
        expect(page.locator("main")).to_contain_text("$0.11 a minute inbound")
        expect(page.locator("main")).to_contain_text("Calls are redirected. No number is set yet.")
        expect(page.locator("main form")).to_have_count(0)
        assert_accessible(page)
        picture(page, "handling-minutes", tmp_path)


def test_settings_are_saved_or_refused(owners: Owners, tmp_path: Path) -> None:
    account = owners.account("settings-1", billing_email="first@example.com")
    with owners.context(account) as context:
        page = context.new_page()
        page.goto("/portal/settings")
        assert_accessible(page)
        picture(page, "settings", tmp_path)
        _redirect(page)
        _thresholds(page, tmp_path)
        _email(page)
        _details(page, tmp_path)
    after = snapshot(owners, account)
    assert after["redirect_to"] == "+14155550100"
    assert after["alert_thresholds_micros"] == [25_500_000, 0, -5_000_000]
    assert after["billing_email"] == "second@example.com"
    assert after["billing_details"] == {
        "name": "Smile Dental",
        "address": "1 High Street\nLondon",
        "country": "GB",
    }


# A refusal is a page of status 422, which the browser's console mentions: so it is not watched here.
def _redirect(page: Page) -> None:
    page.get_by_label("Redirect calls to").fill("(415) 555-0100")
    page.get_by_role("button", name="Save number").click()
    refused(page, "redirect_to", "Enter the number with + and its country code")
    expect(page.get_by_label("Redirect calls to")).to_have_value("(415) 555-0100")
    page.get_by_label("Redirect calls to").fill("+1 (415) 555-0100")
    page.get_by_role("button", name="Save number").click()
    saved(page, "The redirect number is saved.")


def _thresholds(page: Page, tmp_path: Path) -> None:
    expect(page.get_by_label("Alert 1, below")).to_have_value("10.00")
    page.get_by_label("Alert 1, below").fill("25.50")
    page.get_by_label("Alert 3, below").fill("a little")
    page.get_by_role("button", name="Save alerts").click()
    refused(page, "threshold_3", "Enter an amount such as 50.00.")
    picture(page, "settings-refused", tmp_path)
    page.get_by_label("Alert 3, below").fill("-5")
    page.get_by_role("button", name="Save alerts").click()
    saved(page, "Your alerts are saved.")
    expect(page.get_by_label("Alert 4, below")).to_have_value("")


def _email(page: Page) -> None:
    page.get_by_label("E-mail address").fill("nobody")
    page.get_by_role("button", name="Save e-mail").click()
    refused(page, "billing_email", "Enter an e-mail address such as name@example.com.")
    page.get_by_label("E-mail address").fill("second@example.com")
    page.get_by_role("button", name="Save e-mail").click()
    saved(page, "The billing e-mail is saved.")


def _details(page: Page, tmp_path: Path) -> None:
    page.get_by_label("Name").fill("Smile Dental")
    page.get_by_label("Address (optional)").fill("\n".join("1234567"))
    page.get_by_label("Country").select_option(label="United Kingdom")
    page.get_by_role("button", name="Save details").click()
    refused(page, "address", "Use at most 6 lines.")
    expect(page.get_by_label("Country")).to_have_value("GB")
    page.get_by_label("Address (optional)").fill("1 High Street\nLondon")
    page.get_by_role("button", name="Save details").click()
    saved(page, "Your billing details are saved.")
    picture(page, "settings-saved", tmp_path)


def test_no_alerts_and_no_details(owners: Owners) -> None:
    account = owners.account("settings-none")
    visitor = owners.visitor(account)

    def sends(form: str, **fields: str) -> dict[str, Any]:
        reply = visitor.send_form("/portal/settings", f"/portal/settings/{form}", **fields)
        assert reply.status == 303, reply.body
        return snapshot(owners, account, reply)

    assert sends("thresholds", threshold_1="")["alert_thresholds_micros"] == []
    fields = {"buyer": "Smile Dental", "address": "", "country": "", "tax_id": ""}
    assert sends("details", **fields)["billing_details"] == {"name": "Smile Dental"}
    assert "billing_details" not in sends("details", **(fields | {"buyer": ""}))


# What only a form of somebody's own sends; a refusal by the engine stands beside its field too.
@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("details", {"country": "gb"}, "Choose a country from the list."),
        ("details", {"buyer": "a\x07b"}, "name"),
        ("details", {"buyer": "x" * 501}, "Use at most 500 characters."),
        ("email", {"billing_email": ""}, "Enter an e-mail address"),
        ("email", {"billing_email": "a@b@c"}, "Enter an e-mail address"),
        ("thresholds", {"threshold_1": "0.001"}, "Enter an amount"),
        ("redirect", {"redirect_to": "<script>"}, "Enter the number"),
    ],
)
def test_what_is_refused_changes_nothing(
    owners: Owners, request: pytest.FixtureRequest, path: str, fields: dict[str, str], message: str
) -> None:
    account = owners.account(f"settings-odd-{zlib.crc32(request.node.name.encode()):08x}")
    before = snapshot(owners, account)["version"]
    reply = owners.visitor(account).send_form("/portal/settings", f"/portal/settings/{path}", **fields)
    assert reply.status == 422, reply.body
    assert message in reply.body.decode()
    assert b"<script>" not in reply.body
    assert snapshot(owners, account)["version"] == before


def test_settings_without_script_narrow_and_dark(owners: Owners, tmp_path: Path) -> None:
    account = owners.account("settings-plain", "professional")
    owners.send(account, "alert-thresholds-set", thresholds_micros=[12_500_000, 0])
    owners.send(account, "billing-details-set", country="GB")
    looks: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    with owners.context(account, java_script_enabled=False, **looks) as context:
        page = context.new_page()
        page.goto("/portal/settings")
        page.get_by_label("E-mail address").fill("plain@example.com")
        page.get_by_role("button", name="Save e-mail").click()
        saved(page, "The billing e-mail is saved.")
        picture(page, "settings-narrow", tmp_path)
    with owners.context(account, mode="read", **looks) as context:
        page = context.new_page()
        page.goto("/portal/settings")
        expect(page.locator("#email")).to_contain_text("plain@example.com")
        expect(page.locator("#alerts")).to_contain_text("$12.50, $0.00")
        expect(page.locator("#details")).to_contain_text("United Kingdom")
        expect(page.locator("main form")).to_have_count(0)
        assert_accessible(page)
        picture(page, "settings-read", tmp_path)
