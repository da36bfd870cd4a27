"""What keeps the page to its owner: headers, origin, token, mode, and what may be asked for at all."""

import http.client
from typing import Any

import pytest

from tests.gateway.portal.stage import FORM, Owners, Visitor
from tests.gateway.stage import Reply, call
from tests.lane.stage import wait_until

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self' https://checkout.stripe.com; frame-ancestors 'none'; base-uri 'none'"
)
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def account(owners: Owners) -> str:
    return owners.account("security-1")


@pytest.fixture(scope="module")
def visitor(owners: Owners, account: str) -> Visitor:
    return owners.visitor(account)


def assert_headers(reply: Reply) -> None:
    assert reply.headers["content-security-policy"] == POLICY
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "same-origin"
    assert reply.headers["cache-control"] == "no-store"
    assert "x-request-id" in reply.headers
    assert "strict-transport-security" not in reply.headers
    assert "content-encoding" not in reply.headers
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/portal", 200),
        ("/portal/more", 200),
        ("/portal/portal.css", 200),
        ("/portal/portal.js", 200),
        ("/portal/nothing", 404),
        ("/portal/", 404),
        ("/portal/%ff", 404),
        ("/portal/logo", 404),
        ("/portal/sign-out", 405),
        ("/portal/open/AAAA", 410),
    ],
)
def test_the_headers_of_every_answer(visitor: Visitor, path: str, status: int) -> None:
    reply = visitor.get(path, **{"Accept-Encoding": "gzip, br", "Origin": EVIL})
    assert reply.status == status
    assert_headers(reply)
    head = visitor.request("HEAD", path, None, {})
    assert (head.status, head.body) == (status, b"")
    assert_headers(head)
    if status >= 400:
        assert reply.headers["content-type"].startswith("text/html")


def test_pages_have_no_script_and_no_style_of_their_own(visitor: Visitor) -> None:
    for path in ("/portal", "/portal/more", "/portal/nothing", "/portal/open/AAAA"):
        page = visitor.get(path).body
        assert b" style=" not in page
        assert b"<style" not in page
        assert b" on" + b"click" not in page
        assert page.count(b"<script") == page.count(b'<script src="/portal/portal.js" defer></script>') <= 1


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "POST"])
def test_methods_that_a_page_does_not_have(visitor: Visitor, method: str) -> None:
    reply = visitor.request(method, "/portal", b"", {"Origin": visitor.owners.url})
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
    assert reply.headers["content-type"].startswith("text/html")


def test_without_a_session_nothing_is_shown(owners: Owners, account: str) -> None:
    stranger = owners.visitor()
    for cookie in ("", "wrong", "A" * 43, "B" * 4_000):
        stranger.cookie = cookie
        for path in ("/portal", "/portal/more", "/portal/events"):
            reply = stranger.get(path)
            assert reply.status == 401
            assert account.encode() not in reply.body
            assert (b"You are not signed in" in reply.body) == (not cookie or len(cookie) == 4_000)
            assert_headers(reply)


def test_a_key_opens_no_page_and_a_cookie_no_api(owners: Owners, visitor: Visitor, account: str) -> None:
    assert owners.stage.get("/portal").status == 401
    assert visitor.get(f"/v1/accounts/{account}").status == 401


@pytest.mark.parametrize(
    "origin", [None, "null", EVIL, "http://127.0.0.1", "https://127.0.0.1:{port}", "{url}/", "{url}.evil"]
)
def test_a_form_of_another_site_changes_nothing(owners: Owners, account: str, origin: str | None) -> None:
    if origin is not None:
        origin = origin.format(port=owners.gateway.port, url=owners.url)
    visitor, path = owners.visitor(account), owners.link(account)
    hidden = visitor.hidden("/portal")
    for reply in (
        visitor.post("/portal/sign-out", hidden, origin=origin),
        owners.visitor().post(path, {}, origin=origin),
    ):
        assert reply.status == 403
        assert "set-cookie" not in reply.headers
        assert_headers(reply)
    assert visitor.get("/portal").status == 200
    assert owners.visitor().post(path, {}).status == 303, "the link was not used up"


def test_two_origins_are_none_of_ours(owners: Owners, visitor: Visitor) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", owners.gateway.port, timeout=20)
    connection.putrequest("POST", "/portal/sign-out")
    for name, value in (("Cookie", f"tollgate={visitor.cookie}"), ("Content-Type", FORM), ("Content-Length", "0")):
        connection.putheader(name, value)
    for origin in (owners.url, EVIL):
        connection.putheader("Origin", origin)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize("token", ["", "wrong", "other"])
def test_a_form_needs_the_token_of_its_session(owners: Owners, account: str, token: str) -> None:
    visitor, other = owners.visitor(account), owners.visitor(account)
    fields = {"csrf": other.hidden("/portal")["csrf"]} if token == "other" else {"csrf": token} if token else {}
    reply = visitor.post("/portal/sign-out", fields)
    assert reply.status == 403
    assert visitor.get("/portal").status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"csrf=x", {"Content-Type": "text/plain"}, 415),
        (b"csrf=x", {}, 415),
        (b"csrf=x", {"Content-Type": FORM, "Content-Encoding": "gzip"}, 415),
        (b"csrf=" + b"x" * 70_000, {"Content-Type": FORM}, 413),
        (b"&".join(b"a%d=1" % n for n in range(300)), {"Content-Type": FORM}, 400),
        (b"csrf=%ff", {"Content-Type": FORM}, 400),
        (b"\xff", {"Content-Type": FORM}, 400),
    ],
)
def test_what_is_no_form_is_refused(visitor: Visitor, body: bytes, headers: dict[str, str], status: int) -> None:
    reply = visitor.request("POST", "/portal/sign-out", body, {"Origin": visitor.owners.url, **headers})
    assert reply.status == status
    assert reply.headers["content-type"].startswith("text/html")
    assert_headers(reply)


def test_a_link_to_read_shows_one_form(owners: Owners, account: str) -> None:
    reader = owners.visitor(account, "read")
    for path in ("/portal", "/portal/more"):
        page = reader.get(path).body
        assert page.count(b"<form") == 1
        assert b'action="/portal/sign-out"' in page
    assert reader.send_form("/portal", "/portal/sign-out").status == 303


def test_looking_changes_nothing(owners: Owners, account: str) -> None:
    """GET changes no key of Redis but by reading, whatever is in its query."""
    visitor, link = owners.visitor(account), owners.link(account)
    before = kept(owners)
    for path in (
        "/portal",
        "/portal/more",
        "/portal/sign-out",
        link,
        "/portal?notice=under-way&after=99999999999999999",
    ):
        visitor.get(path)
    assert kept(owners) == before


def kept(owners: Owners) -> dict[bytes, Any]:
    redis = owners.stage.redis
    names = sorted(redis.scan_iter("tg:1:gw:*"))
    return {name: redis.get(name) if redis.type(name) == b"string" else redis.hgetall(name) for name in names}


def test_a_query_cannot_put_words_into_the_page(visitor: Visitor) -> None:
    page = visitor.get("/portal?notice=%3Cb%3Ecall+this+number&after=x").body
    assert b"call this number" not in page


def test_the_pages_metrics_name_templates(owners: Owners, visitor: Visitor, account: str) -> None:
    path = owners.link(account)
    visitor.get(path)
    visitor.get("/portal/never-there")
    visitor.get("/portal")
    metrics = owners.gateway.metrics()
    wait_until(lambda: 'route="/portal"' in owners.gateway.metrics(), "the metric")
    assert 'route="/portal/open/{token}"' in metrics
    assert path.rpartition("/")[2] not in metrics
    assert "never-there" not in metrics
    assert account not in metrics


def test_https_has_a_cookie_that_no_other_host_can_set(owners: Owners, account: str) -> None:
    """Behind a proxy that ends TLS: the URL of the page says that it is https."""
    stage = owners.stage
    gateway = stage.starting_gateway(portal_url="https://billing.example.com/pay").wait_ready()
    try:
        path = owners.link(account)
        opened = call(gateway.port, "POST", path, b"", {"Origin": "https://billing.example.com"})
        name, *attributes = opened.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-tollgate=")
        assert attributes == ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"]
        assert opened.headers["strict-transport-security"].startswith("max-age=")
        assert opened.headers["location"] == "/pay/portal"
        shown = call(gateway.port, "GET", "/portal", None, {"Cookie": name})
        assert shown.status == 200
        assert b'href="/pay/portal/portal.css"' in shown.body
        assert b'"/portal' not in shown.body
        plain = {"Cookie": f"tollgate={name.partition('=')[2]}"}
        assert call(gateway.port, "GET", "/portal", None, plain).status == 401
    finally:
        gateway.stop()
