"""One webhook, without Kafka: connections, certificates, proxies and answers."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Any

import pytest
import trustme

from agents.notifier.event import Event, read_event
from agents.notifier.metrics import Metrics
from agents.notifier.outcome import Delivered, GaveUp, Outcome, Retry
from agents.notifier.tables import NotifyFile, Webhook
from agents.notifier.target import Target
from agents.notifier.targets import Targets, now_ms
from agents.notifier.webhooks import WebhookTarget, outcome_of, seconds_of
from tests.notifier.receiver import Receiver, hang
from tests.notifier.stage import SECRET
from tests.notifier.test_addresses import answers

BODY = (
    b'{ "type": "balance-low", "id": "a/1", "account_id": "a", "occurred_at": "2026-01-31T10:00:00Z", "x": "\\u00e4" }'
)
EVENT: Event = read_event("alerts", 0, 7, b"a", BODY, 0)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA) -> Iterator[Receiver]:
    """A receiver whose certificate is for hooks.example."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(context)
    with Receiver(tls=context) as running:
        yield running


def attempt(url: str, authority: trustme.CA, *, look: Any = None, **keys: Any) -> Outcome:
    """One attempt to deliver EVENT, with the outcome."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    table = Webhook(name="crm", url=url, secret=SECRET, types=("*",), **keys)
    target = WebhookTarget(table, context, **({} if look is None else {"look": look}))

    async def run() -> Outcome:
        try:
            return await target.deliver(EVENT, 1)
        finally:
            await target.close()

    return asyncio.run(run())


def here(*_: object) -> Sequence[Any]:
    return answers("127.0.0.1")


def test_the_name_of_the_address_is_checked_and_sent(secured: Receiver, authority: trustme.CA) -> None:
    """The connection goes to the address that was looked up, with the name for TLS and in `Host`."""
    for host in ("hooks.example", "hooks.example."):
        url = f"https://{host}:{secured.port}/hook"
        assert attempt(url, authority, look=here, allow_private=True) == Delivered()
    assert secured.arrivals[0].headers["host"] == f"hooks.example:{secured.port}"
    assert secured.arrivals[0].body == BODY


def test_a_certificate_of_another_name_is_refused(secured: Receiver, authority: trustme.CA) -> None:
    outcome = attempt(f"https://other.example:{secured.port}/", authority, look=here, allow_private=True)
    assert isinstance(outcome, Retry)
    assert "CertVerification" in outcome.why
    assert not secured.arrivals


def test_a_private_address_gets_nothing(secured: Receiver, authority: trustme.CA) -> None:
    for url in (f"https://hooks.example:{secured.port}/", f"https://127.0.0.1:{secured.port}/"):
        outcome = attempt(url, authority, look=here)
        assert isinstance(outcome, Retry)
        assert "allow_private" in outcome.why
    assert not secured.arrivals


def test_a_second_look_up_is_never_made(secured: Receiver, authority: trustme.CA) -> None:
    """A name that answers differently the second time (DNS rebinding) changes nothing."""
    looks = []

    def look(*_: object) -> Sequence[Any]:
        looks.append(1)
        return answers("127.0.0.1" if len(looks) == 1 else "127.0.0.2")

    assert attempt(f"https://hooks.example:{secured.port}/", authority, look=look, allow_private=True) == Delivered()
    assert len(looks) == 1


def test_no_proxy_from_the_environment(
    secured: Receiver, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    url = f"https://hooks.example:{secured.port}/"
    assert attempt(url, authority, look=here, allow_private=True) == Delivered()


def test_a_time_out(receiver: Receiver, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.notifier.webhooks.ATTEMPT_S", 0.5)
    receiver.answer = hang
    outcome = attempt(receiver.url, authority, allow_private=True)
    assert isinstance(outcome, Retry)
    assert outcome.timed_out


async def test_a_target_rests_after_a_first_attempt_and_not_after_a_retry(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries delay no other event."""
    monkeypatch.setattr("agents.notifier.webhooks.ATTEMPT_S", 0.3)
    receiver.answer = hang
    table = Webhook(name="crm", url=receiver.url, secret=SECRET, types=("*",), allow_private=True)
    targets = Targets(Metrics(), no_mails)
    targets.replace(NotifyFile(webhook=(table,)))
    assert await targets.deliver("crm", EVENT, 2) == Retry("no answer within 0 s", timed_out=True)
    assert targets.rests_until_ms("crm") < now_ms()
    await targets.deliver("crm", EVENT, 1)
    assert targets.rests_until_ms("crm") > now_ms() + 50_000
    await targets.close()


def no_mails(*_: object) -> Target:
    raise AssertionError


def test_nobody_listens(authority: trustme.CA) -> None:
    outcome = attempt("http://localhost:1/", authority, allow_private=True)
    assert isinstance(outcome, Retry)
    assert not outcome.timed_out


@pytest.mark.parametrize("host", [".example", f"{'a.' * 200}example", "a..b", "2130706433"])
def test_a_host_that_no_certificate_can_have_is_a_failure(host: str, secured: Receiver, authority: trustme.CA) -> None:
    outcome = attempt(f"https://{host}:{secured.port}/", authority, look=here, allow_private=True)
    assert isinstance(outcome, Retry)
    assert not secured.arrivals


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success(status: int) -> None:
    assert outcome_of(status, None) == Delivered()


@pytest.mark.parametrize("status", [100, 301, 302, 303, 304, 307, 308, 400, 401, 404, 409, 429, 500, 503, 999])
def test_failure(status: int) -> None:
    assert outcome_of(status, "7") == Retry(f"answered {status}", 7)


def test_gone() -> None:
    assert isinstance(outcome_of(410, "7"), GaveUp)


NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        *((None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None), ("\u0663", None)),
        *(("0", 0), ("120", 120), (" 120 ", 120), ("99999999999", 999_999_999), ("000000000060", 60)),
        # Python cannot hold the year and the zone of these.
        (f"Fri, 27 Nov {'9' * 20} 08:00:00 GMT", None),
        (f"Fri, 27 Nov 2026 08:00:00 +{'9' * 20}", None),
        (formatdate(NOW_S + 90, usegmt=True), 90),
        (formatdate(NOW_S - 90, usegmt=True), 0),
        ("Fri, 15 Jan 2027 08:01:30 -0000", 90),
    ],
)
def test_retry_after(given: str | None, seconds: int | None) -> None:
    assert seconds_of(given, NOW_S) == seconds
