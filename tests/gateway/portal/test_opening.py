"""Links open the page once; sessions last an hour, and end everywhere at once."""

import threading
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.gateway.portal.stage import COOKIE, Owners, Visitor, cookie_of
from tests.lane.stage import wait_until

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def account(owners: Owners) -> str:
    return owners.account("opening-1", billing_email="owner@example.com")


def session_of(owners: Owners, cookie: str) -> str:
    """The key of Redis that keeps a session."""

    return f"tg:1:gw:session:{sha256(cookie.encode()).hexdigest()}"


def test_looking_at_a_link_does_not_use_it_up(owners: Owners, account: str) -> None:
    path = owners.link(account)
    scanner = owners.visitor()
    for _ in range(3):
        shown = scanner.get(path)
        assert shown.status == 200
        assert account.encode() in shown.body
        assert b"<button" in shown.body
        assert "set-cookie" not in shown.headers
    head = scanner.request("HEAD", path, None, {})
    assert (head.status, head.body) == (200, b"")
    opened = owners.visitor().post(path, {})
    assert (opened.status, opened.headers["location"]) == (303, "/portal"), opened.body
    for again in (scanner.post(path, {}), scanner.get(path)):
        assert again.status == 410
        assert b"Tollgate" in again.body


def test_the_page_of_a_link_shows_the_buyers_name(owners: Owners) -> None:
    owners.account("opening-named")
    owners.send("opening-named", "billing-details-set", name="Hara & <Sons>")
    path = owners.link("opening-named")
    wait_until(lambda: b"Hara &amp; &lt;Sons&gt;" in owners.visitor().get(path).body, "the name")


def test_of_many_who_press_the_button_one_gets_in(owners: Owners, account: str) -> None:
    path, found = owners.link(account), list[int]()
    pressing = [threading.Thread(target=lambda: found.append(owners.visitor().post(path, {}).status)) for _ in range(8)]
    for one in pressing:
        one.start()
    for one in pressing:
        one.join()
    assert sorted(found) == [303, *[410] * 7]


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "a%2Fb", "é".encode().hex()])
def test_what_is_no_link_is_gone(owners: Owners, token: str) -> None:
    visitor = owners.visitor()
    for reply in (visitor.get(f"/portal/open/{token}"), visitor.post(f"/portal/open/{token}", {})):
        assert reply.status == 410
        assert "set-cookie" not in reply.headers


def test_the_cookie_on_loopback(owners: Owners, account: str) -> None:
    opened = owners.visitor().post(owners.link(account), {})
    name, *attributes = opened.headers["set-cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert len(cookie_of(opened)) >= 43
    assert attributes == ["HttpOnly", "SameSite=Lax", "Path=/"]


def test_redis_keeps_no_cookie(owners: Owners, account: str) -> None:
    visitor = owners.visitor(account)
    redis = owners.stage.redis
    kept = session_of(owners, visitor.cookie)
    assert 0 < redis.pttl(kept) <= HOUR_MS
    assert visitor.cookie.encode() not in redis.get(kept)
    assert visitor.cookie not in owners.gateway.log()


def test_a_session_is_over_after_its_hour(owners: Owners, account: str) -> None:
    """The gateway looks at the hour itself, beside the time that Redis keeps the session."""
    visitor = owners.visitor(account)
    redis, kept = owners.stage.redis, session_of(owners, visitor.cookie)
    value = redis.get(kept)
    ends_ms = int(value.rpartition(b'"ends_ms":')[2].rstrip(b"}"))
    assert abs(ends_ms - (time.time() * 1_000 + HOUR_MS)) < 60_000
    assert visitor.get("/portal").status == 200
    redis.set(kept, value.replace(str(ends_ms).encode(), str(int(time.time() * 1_000) - 1).encode()))
    assert_ended(visitor)


def test_signing_out_ends_the_session(owners: Owners, account: str) -> None:
    visitor, other = owners.visitor(account), owners.visitor(account)
    out = visitor.send_form("/portal", "/portal/sign-out")
    assert (out.status, out.headers["location"]) == (303, "/portal/signed-out")
    assert out.headers["set-cookie"] == "tollgate=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
    assert_ended(visitor)
    assert b"You are signed out" in visitor.get(out.headers["location"]).body
    assert other.get("/portal").status == 200


def test_the_operator_ends_all_sessions_and_links(owners: Owners) -> None:
    account, other = owners.account("opening-2"), owners.account("opening-3")
    visitors = [owners.visitor(account), owners.visitor(account, "read")]
    kept, unopened = owners.visitor(other), owners.link(account)
    assert owners.stage.request("DELETE", f"/v1/accounts/{account}/portal-sessions").status == 204
    for visitor in visitors:
        assert_ended(visitor)
    assert owners.visitor().get(unopened).status == 410
    assert owners.visitor().post(unopened, {}).status == 410
    assert kept.get("/portal").status == 200
    assert owners.visitor(account).get("/portal").status == 200


CHANGES: dict[str, dict[str, Any]] = {
    "scope": {"scopes": ["accounts:read"]},
    "accounts": {"accounts": ["other-*"]},
    "disabled": {"disabled": True},
    "expired": {"expires_at": "2020-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("change", ["remove", *CHANGES])
def test_sessions_end_with_the_key_that_made_their_link(owners: Owners, account: str, change: str) -> None:
    stage = owners.stage
    key = stage.keys.add(f"portal-{change}", "accounts:write")
    wait_until(lambda: stage.get("/v1/plans", key=key).status == 200, "the new key")
    visitor, unopened = Visitor(owners), owners.link(account, key=key)
    visitor.cookie = cookie_of(visitor.post(owners.link(account, key=key), {}))
    assert visitor.get("/portal").status == 200
    if change == "remove":
        stage.keys.remove(f"portal-{change}")
    else:
        stage.keys.entries[f"portal-{change}"] |= CHANGES[change]
        stage.keys.write()
    wait_until(lambda: visitor.get("/portal").status == 401, "the end of the session")
    assert visitor.get(unopened).status == 410


def test_opening_another_link_ends_the_former_session(owners: Owners, account: str) -> None:
    visitor = owners.visitor(account)
    former = Visitor(owners, visitor.cookie)
    opened = visitor.post(owners.link(account), {})
    assert opened.status == 303
    assert_ended(former)


def test_the_way_back_leads_where_the_link_said(owners: Owners, account: str) -> None:
    visitor = owners.visitor(account, return_url="https://app.example.com/billing?a=1&b=2")
    assert b'href="https://app.example.com/billing?a=1&amp;b=2"' in visitor.get("/portal").body
    out = visitor.send_form("/portal", "/portal/sign-out")
    assert b'href="https://app.example.com/billing?a=1&amp;b=2"' in visitor.get(out.headers["location"]).body


@pytest.mark.parametrize("url", ["https://evil.example/", "javascript:alert(1)", "//app.example.com/", "/portal/x", ""])
def test_after_the_end_the_page_leads_to_no_other_site(owners: Owners, url: str) -> None:
    reply = owners.visitor().get(f"/portal/signed-out?{urlencode({'back': url})}")
    assert (reply.status, reply.body.count(b'<a class="button')) == (200, 0)


def assert_ended(visitor: Visitor) -> None:
    shown = visitor.get("/portal")
    assert shown.status == 401
    assert b"session has ended" in shown.body
    assert visitor.get("/portal/events").status == 401
    assert visitor.post("/portal/sign-out", {"csrf": "x"}).status == 403
