"""Invoices and receipts on the page: what they show is what their PDFs and the API show. Rules M11 and B1 to B9."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.gateway.portal.replayed import publish
from tests.gateway.portal.stage import Owners, Watched, assert_accessible, picture
from tests.gateway.reads.filled import Filled
from tests.rules.subscriber import Subscriber

BUYER = {"name": "Smile Dental", "address": "1 High Street\nLondon", "country": "GB", "tax_id": "GB123456789"}


def wire(days_ago: int, hours: int = 0) -> str:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=days_ago) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def two_months(account: str) -> Subscriber:
    """A subscriber with two invoices: calls beyond the included minutes, a purchase, a number, a tax, a new plan."""
    story = Subscriber(account, signup=wire(65)).subscribes(billing_email=f"{account}@example.com")
    story.adds_card().settles_all().says("billing-details-set", **BUYER).is_taxed(82_500).adds_number()
    story.waits(wire(60)).ticks(wire(60)).buys("p1", 20).settles_all().uses(150)
    story.ticks(wire(50)).changes_plan("dental").settles_all()
    for day in range(49, 0, -1):
        story.ticks(wire(day)).settles_all()
    return story


def declined(account: str) -> Subscriber:
    """The newest invoice waits for a card that pays."""
    story = Subscriber(account, signup=wire(40)).subscribes().adds_card().settles_all()
    return story.waits(wire(39)).uses(160).ticks(wire(5)).refuses("invoice").settles("subscription")


def returned(account: str) -> Subscriber:
    """The payment of an invoice that came back."""
    story = Subscriber(account, signup=wire(40)).subscribes().adds_card().settles_all()
    story.waits(wire(39)).uses(160).ticks(wire(5)).settles_all()
    paid = story.newest("invoice")
    return story.says("payment-reversed", payment_id=paid, amount_micros=6_600_000, kind="dispute")


def test_m11_an_invoice_and_its_receipts(drawn: Owners, filled: Filled, tmp_path: Path) -> None:
    story = two_months("invoices-1")
    publish(filled, story)
    [first, newest] = story.invoices()
    with drawn.context(story.account_id) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal/invoices")
            assert [link.inner_text() for link in page.locator("#invoice-list a").all()] == [
                newest["reference"], first["reference"],
            ]  # fmt: skip
            expect(page.locator("#receipt-list")).to_contain_text("Subscription fee")
            assert_accessible(page)
            picture(page, "invoices", tmp_path)
            page.get_by_role("link", name=first["reference"]).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(f"Invoice {first['reference']}")
            main = page.locator("main")
            for text in ("Paid", "Smile Dental, 1 High Street, London, GB", "Dental, rest of the term", "Tax 8.25 %"):
                expect(main).to_contain_text(text)
            expect(main).to_contain_text("Closing balance")
            # The fee, the credits, the difference of the plans, and what was left at the end.
            expect(page.locator("#invoice-receipts li")).to_have_count(4)
            assert_accessible(page)
            picture(page, "invoice", tmp_path)
            with page.expect_download() as download:
                page.get_by_role("link", name="Download PDF").click()
            pdf = Path(download.value.path()).read_bytes()
            with page.expect_download() as download:
                page.get_by_role("link", name="Receipt").first.click()
            receipt = Path(download.value.path()).read_bytes()
    assert receipt.startswith(b"%PDF-")
    wanted = f"/v1/accounts/{story.account_id}/invoice.pdf?invoice_id={first['invoice_id']}"
    assert pdf == drawn.stage.get(wanted).body
    assert download.value.suggested_filename.startswith("receipt-")


@pytest.mark.parametrize(
    ("tell", "status", "remark"),
    [
        (declined, "Open: $6.60", "$6.60"),
        (returned, "Paid, $6.60 returned", "$6.60 of the payments was returned by a dispute or refund."),
    ],
)
def test_b03_r08_the_status_is_what_is_known_now(
    drawn: Owners, filled: Filled, tmp_path: Path, tell: Callable[[str], Subscriber], status: str, remark: str
) -> None:
    story = tell(f"invoices-{tell.__name__}")
    publish(filled, story)
    with drawn.context(story.account_id, mode="read", viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.goto("/portal/invoices")
        expect(page.locator("#invoice-list .status").first).to_have_text(status)
        assert_accessible(page)
        page.locator("#invoice-list a").first.click()
        expect(page.locator("#invoice-status .status")).to_have_text(status)
        expect(page.locator("main")).to_contain_text(remark)
        assert_accessible(page)
        picture(page, f"invoice-{tell.__name__}", tmp_path)


def test_a_new_account_has_no_invoices(owners: Owners, tmp_path: Path) -> None:
    with owners.context(owners.account("invoices-new"), color_scheme="dark") as context:
        page = context.new_page()
        page.goto("/portal/invoices")
        expect(page.locator("#invoice-list")).to_contain_text("You have no invoices yet.")
        expect(page.locator("main")).to_contain_text("No billing e-mail is set")
        assert_accessible(page)
        picture(page, "invoices-new", tmp_path)


def test_invoices_of_others_are_not_there(drawn: Owners, filled: Filled) -> None:
    story, other = two_months("invoices-mine"), two_months("invoices-theirs")
    publish(filled, story)
    publish(filled, other)
    visitor = drawn.visitor(story.account_id)
    theirs, receipt = other.invoices()[0]["invoice_id"], other.facts("receipt-issued")[0]["receipt_id"]
    for path in (
        f"/portal/invoice?invoice_id={theirs}",
        f"/portal/invoice.pdf?invoice_id={theirs}",
        f"/portal/receipt.pdf?receipt_id={receipt}",
        f"/portal/receipt.pdf?receipt_id={story.invoices()[0]['invoice_id']}",
        "/portal/invoice",
        "/portal/invoice.pdf",
    ):
        reply = visitor.get(path)
        assert (reply.status, b"There is no such page" in reply.body) == (404, True), path
    own = visitor.get(f"/portal/invoice.pdf?invoice_id={story.invoices()[0]['invoice_id']}")
    assert (own.status, own.headers["content-type"]) == (200, "application/pdf")
    assert own.headers["cache-control"] == "no-store"
