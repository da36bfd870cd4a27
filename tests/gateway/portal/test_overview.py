"""The first page."""

from pathlib import Path

from tests.gateway.portal.stage import Owners, Watched, assert_accessible, live, picture


def test_a_new_account(owners: Owners, tmp_path: Path) -> None:
    with owners.context(owners.account("new-1")) as context:
        page = context.new_page()
        with Watched(page):
            page.goto("/portal")
            live(page)
            assert_accessible(page)
            picture(page, "overview-new", tmp_path)
            page.goto("/portal/more")
            assert_accessible(page)
