"""Links open the page once; sessions and how they end."""

from tests.gateway.portal.stage import Owners


def test_a_link_opens_once(owners: Owners) -> None:
    path = owners.link(owners.account("open-once"))
    visitor = owners.visitor()
    for _ in range(2):
        shown = visitor.get(path)
        assert shown.status == 200
        assert b"open-once" in shown.body
    opened = visitor.post(path, {})
    assert (opened.status, opened.headers["location"]) == (303, "/portal"), opened.body
    for again in (visitor.post(path, {}), visitor.get(path)):
        assert again.status == 410
