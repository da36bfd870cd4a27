"""The page follows its account: by script, without moving what is in use, and only while the session lasts."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Self
from zlib import crc32

import pytest
from playwright.sync_api import Page, expect

from tests.gateway.portal.stage import COOKIE, Owners, Visitor, Watched, live
from tests.gateway.stage import call
from tests.lane.stage import wait_until

STREAMS_MAX = 20


def grant(owners: Owners, account: str, dollars: int, grant_id: str) -> None:
    amount_micros = dollars * 1_000_000
    owners.send(account, "credits-granted", grant_id=grant_id, amount_micros=amount_micros, reason="a gift")


@pytest.fixture
def page(owners: Owners, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The overview of a new account, live."""
    account = owners.account(f"live-{crc32(request.node.name.encode())}")
    with owners.context(account) as context:
        opened = context.new_page()
        with Watched(opened):
            opened.goto("/portal")
            live(opened)
            opened.evaluate("account => window.account = account", account)
            yield opened


def account_of(page: Page) -> str:
    return str(page.evaluate("window.account"))


def test_a_change_is_shown_and_read_out(owners: Owners, page: Page) -> None:
    page.evaluate("document.body.dataset.same = 'yes'")
    grant(owners, account_of(page), 20, "g1")
    expect(page.locator("#balance")).to_contain_text("$20.00")
    expect(page.locator("#recent")).to_contain_text("Credits given by support")
    expect(page.locator("#announcements")).to_contain_text("$20.00")
    assert page.evaluate("document.body.dataset.same") == "yes", "the page was not loaded again"


def test_what_has_the_focus_stays(owners: Owners, page: Page) -> None:
    """The part with the focus waits, and follows once the focus has left it; the others follow at once."""
    button = page.get_by_role("link", name="Add credits")
    button.focus()
    page.evaluate("document.activeElement.dataset.mark = 'same'")
    grant(owners, account_of(page), 20, "g1")
    expect(page.locator("#recent")).to_contain_text("Credits given by support")
    assert page.evaluate("document.activeElement.dataset.mark") == "same"
    expect(page.locator("#balance")).to_contain_text("$0.00")
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("#balance")).to_contain_text("$20.00")


def test_what_was_opened_stays_open(owners: Owners, page: Page) -> None:
    account = account_of(page)
    grant(owners, account, 20, "g1")
    owners.send(account, "feature-set", feature="live_agent", enabled=True)
    charge(owners, account)
    page.locator("#recent summary").first.click()
    page.locator("h1").click()
    expect(page.locator("#recent details[open]")).to_have_count(1)
    grant(owners, account, 5, "g2")
    expect(page.locator("#recent li")).to_have_count(3)
    expect(page.locator("#recent details[open]")).to_have_count(1)


def test_a_page_is_not_read_again_while_its_form_is_under_way(owners: Owners) -> None:
    """The change is published before its form is answered; the page of the form is then no longer there."""
    account = owners.account("live-form", "professional")
    with owners.context(account) as context:
        page = context.new_page()
        page.clock.install()
        page.goto("/portal/plan/change?plan=dental")
        read: list[str] = []
        page.on("request", lambda request: read.append(request.url) if "after=" in request.url else None)
        live(page)
        # The form is under way, and stays so.
        page.evaluate(
            "() => { const form = document.querySelector('main form');"
            " form.addEventListener('submit', (event) => event.preventDefault()); form.requestSubmit(); }"
        )
        version = owners.send(account, "plan-change-requested", plan="dental")["version"]
        wait_until(lambda: int(page.evaluate("wanted")) >= version, "the event")
        page.clock.run_for(3_000)
        assert read == []
        # In another window, where nothing was sent, the page that is gone says so.
        page.evaluate("delete document.querySelector('form[data-sent]').dataset.sent")
        page.clock.run_for(3_000)
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_a_stream_that_was_refused_is_opened_again(owners: Owners) -> None:
    """A browser gives up a stream that was answered with an error."""
    account = owners.account("live-refused")
    with owners.context(account) as context:
        page = context.new_page()
        page.clock.install()
        page.route("**/portal/events*", lambda route: route.fulfill(status=503), times=1)
        with page.expect_response("**/portal/events*") as refused:
            page.goto("/portal")
        assert refused.value.status == 503
        wait_until(lambda: page.evaluate("source.readyState") == 2, "the end of the stream")
        page.clock.run_for(10_000)
        live(page)


def test_a_page_whose_session_has_ended_says_so(owners: Owners) -> None:
    account = owners.account("live-ended")
    with owners.context(account) as context:
        page = context.new_page()
        page.goto("/portal")
        live(page)
        assert owners.stage.request("DELETE", f"/v1/accounts/{account}/portal-sessions").status == 204
        expect(page.locator("h1")).to_have_text("Your session has ended", timeout=20_000)
        assert "$0.00" not in page.content()


def charge(owners: Owners, account: str) -> None:
    """A call that costs $3."""
    began = datetime.now(UTC) - timedelta(seconds=90)
    at = [(began + timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (0, 5, 65)]
    call_ = {"call_id": "c1", "direction": "inbound"}
    owners.send(account, "call-started", **call_, occurred_at=at[0])
    ended = {"started_at": at[0], "answered_at": at[1], "outcome": "completed", "features": ["live_agent"]}
    owners.send(account, "call-ended", **call_, **ended, occurred_at=at[2])


class Stream:
    """The events of a session, read by a thread of its own until they end."""

    def __init__(self, visitor: Visitor, query: str = "", last: str = "") -> None:
        self.text = b""
        self._connection = HTTPConnection("127.0.0.1", visitor.owners.gateway.port, timeout=60)
        headers = {"Cookie": f"{COOKIE}={visitor.cookie}"} | ({"Last-Event-ID": last} if last else {})
        self._connection.request("GET", f"/portal/events{query}", headers=headers)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self.status = self.answer.status
        self._thread = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.status == 200 and not self.ended:
            self._socket.shutdown(2)
            self._thread.join(10)
        self._connection.close()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def has(self, text: bytes) -> None:
        wait_until(lambda: text in self.text, f"{text!r} in {self.text[-300:]!r}")

    def _read(self) -> None:
        try:
            while line := self.answer.readline():
                self.text += line
        except (OSError, ValueError):
            return


@pytest.fixture(scope="module")
def account(owners: Owners) -> str:
    return owners.account("live-stream")


def test_the_stream_is_that_of_the_account(owners: Owners, account: str) -> None:
    other = owners.account("live-other")
    visitor = owners.visitor(account, "read")
    with Stream(visitor) as stream:
        assert stream.answer.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert stream.answer.getheader("cache-control") == "no-store"
        stream.has(b"event: account-snapshot\n")
        grant(owners, other, 1, "g-other")
        grant(owners, account, 1, "g-1")
        stream.has(b"event: ledger-entry-posted\n")
        assert b"live-other" not in stream.text
    last = stream.text.rpartition(b"\nid: ")[2].split(b"\n")[0].decode()
    grant(owners, account, 2, "g-2")
    with Stream(visitor, "?types=ledger-entry-posted", last) as stream:
        stream.has(b"g-2")
        assert b"account-snapshot" not in stream.text
    with Stream(visitor, "?types=nothing") as refused:
        assert refused.status == 400


def test_the_stream_ends_with_its_session(owners: Owners, account: str) -> None:
    """Signed out here or, for this process, at another gateway; and by the operator."""
    before = ended_with_session(owners)
    signed_out, elsewhere, by_operator = (owners.visitor(account) for _ in range(3))
    hidden = [visitor.hidden("/portal") for visitor in (signed_out, elsewhere)]
    streams = [Stream(visitor) for visitor in (signed_out, elsewhere, by_operator)]
    for stream in streams:
        stream.has(b"event: account-snapshot\n")
    assert signed_out.post("/portal/sign-out", hidden[0]).status == 303
    wait_until(lambda: streams[0].ended, "the end of the first stream")
    second = owners.stage.gateway(portal_url=owners.url)
    assert elsewhere.post("/portal/sign-out", hidden[1], port=second.port).status == 303
    wait_until(lambda: streams[1].ended, "the end of the second stream")
    assert not streams[2].ended
    assert owners.stage.request("DELETE", f"/v1/accounts/{account}/portal-sessions").status == 204
    wait_until(lambda: streams[2].ended, "the end of the third stream")
    assert ended_with_session(owners) == before + 3
    second.stop()


def ended_with_session(owners: Owners) -> int:
    """How many streams of the gateway have ended with their session."""
    found = re.search(r'streams_ended_total\{why="session"\} (\d+)', owners.gateway.metrics())
    assert found is not None
    return int(found[1])


def test_the_stream_ends_with_the_key_of_its_link(owners: Owners, account: str) -> None:
    key = owners.stage.keys.add("streaming", "accounts:write")
    wait_until(lambda: owners.stage.get("/v1/plans", key=key).status == 200, "the new key")
    visitor = owners.visitor(account, key=key)
    with Stream(visitor) as stream:
        stream.has(b"event: account-snapshot\n")
        owners.stage.keys.remove("streaming")
        wait_until(lambda: stream.ended, "the end of the stream")


def test_a_page_counts_among_the_streams_of_its_account(owners: Owners) -> None:
    account = owners.account("live-many")
    visitor = owners.visitor(account)
    streams = [Stream(visitor) for _ in range(STREAMS_MAX)]
    assert {stream.status for stream in streams} == {200}
    with Stream(visitor) as refused:
        assert (refused.status, refused.answer.getheader("retry-after")) == (429, "5")
    by_key = call(owners.gateway.port, "GET", f"/v1/accounts/{account}/events", None, bearer(owners))
    assert by_key.status == 429
    for stream in streams:
        stream.close()


def bearer(owners: Owners) -> dict[str, str]:
    return {"Authorization": f"Bearer {owners.stage.key}"}


def test_looking_at_the_streams_headers_opens_none(owners: Owners, account: str) -> None:
    visitor = owners.visitor(account)
    answers = {visitor.request("HEAD", "/portal/events", None, {}).status for _ in range(STREAMS_MAX + 1)}
    assert 429 not in answers
    assert 200 in answers


def test_the_script_is_short() -> None:
    script = Path(__file__).parents[3] / "gateway/portal/templates/portal.js"
    assert len(script.read_text().splitlines()) <= 200
