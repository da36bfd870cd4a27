"""What the mail server answers decides: delivered, tried again, or given up and reported."""

import asyncio
import socket
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme

from agents.notifier.event_types import MAILED_TYPES
from agents.notifier.mail.reports import Reports
from agents.notifier.mail.server import Envelope, MailServer, NotSentError
from agents.notifier.outcome import Delivered, GaveUp, Retry
from agents.notifier.target import Target
from tests.notifier.mail.mail_server import HOST, OPERATOR, Inbox, Mails, email_table, serving
from tests.notifier.mail.raw_server import answering
from tests.notifier.mail.samples import changed, named_events, one

OWNER = "owner@example.com"


async def test_each_event_goes_to_whom_it_is_for() -> None:
    inbox = Inbox()
    async with serving(inbox) as port:
        target = Mails(email_table(port)).target
        for event in named_events().values():
            assert target.takes(event)
            assert await target.deliver(event, 1) == Delivered()
    expected = [OPERATOR if event.fields.get("audience") == "operator" else OWNER for event in named_events().values()]
    assert inbox.recipients == expected
    assert {OPERATOR, OWNER} == set(expected)


async def test_types_narrow_what_is_mailed() -> None:
    target: Target = Mails(email_table(25, types=("invoice-*", "receipt-issued"))).target
    taken = {event.type for event in named_events().values() if event.type in target.types and target.takes(event)}
    assert taken == target.types == {"invoice-issued", "receipt-issued"}


async def test_without_types_no_event_has_two_mails() -> None:
    """A paid invoice and a refill have their receipt."""
    types = Mails(email_table(25)).target.types
    assert types == MAILED_TYPES
    assert len(types) == 15
    assert not types & {"invoice-paid", "invoice-reversed", "refill-requested", "refill-succeeded", "call-charged"}


@pytest.mark.parametrize(
    ("changes", "outcome", "reports"),
    [
        ({"refused": {OWNER: "450 4.2.1 mailbox busy"}}, Retry("the mail server answered 450"), 0),
        ({"refused": {OWNER: "550 5.1.1 <owner@example.com> unknown"}}, GaveUp("the mail server answered 550"), 1),
        ({"data_answer": "451 4.3.0 try later"}, Retry("the mail server answered 451"), 0),
        ({"mail_answer": "452 4.3.1 full"}, Retry("the mail server answered 452"), 0),
        # About the session, not about the mail: nothing is lost when the operator corrects it.
        ({"mail_answer": "530 5.7.0 authentication required"}, Retry("the mail server answered 530"), 0),
        ({"drop": True}, Retry("the connection to the mail server ended: SMTPServerDisconnected"), 0),
    ],
    ids=["rcpt 4xx", "rcpt 5xx", "data 4xx", "mail 4xx", "mail 530", "dropped"],
)
async def test_an_answer_decides(changes: dict[str, object], outcome: object, reports: int) -> None:
    inbox = Inbox(**changes)  # type: ignore[arg-type]  # the table has fields of several types
    async with serving(inbox) as port:
        assert await Mails(email_table(port)).target.deliver(one("balance-low"), 1) == outcome
    assert inbox.recipients == [OPERATOR] * reports


@pytest.mark.parametrize("answer", ["550 5.7.1 spam", "554 5.6.0 no"])
async def test_a_mail_refused_after_its_content_is_given_up(answer: str) -> None:
    """The operator's mail is refused too then: the next refusal is reported."""
    inbox = Inbox(data_answer=answer)
    async with serving(inbox) as port:
        mails = Mails(email_table(port))
        assert await mails.target.deliver(one("balance-low"), 1) == GaveUp(f"the mail server answered {answer[:3]}")
        assert mails.count("refused", report="failed") == 1
        inbox.data_answer, inbox.refused = "250 OK", {OWNER: "550 5.1.1 unknown"}
        await mails.target.deliver(one("funds-needed"), 1)
    assert mails.count("refused", report="sent") == 1
    assert inbox.recipients == [OPERATOR]


async def test_a_refusal_is_reported_once_an_hour_and_address() -> None:
    now_s = [0.0]
    inbox = Inbox(refused={OWNER: "550 5.1.1 unknown", "other@example.com": "550 5.1.1 unknown"})
    async with serving(inbox) as port:
        mails = Mails(email_table(port), reports=Reports(lambda: now_s[0]))

        async def refuse(address: str) -> None:
            outcome = await mails.target.deliver(one("balance-low", billing_email=address), 1)
            assert outcome == GaveUp("the mail server answered 550")

        await refuse(OWNER)
        now_s[0] = 3_599.0
        await refuse(OWNER)
        assert inbox.recipients == [OPERATOR]
        await refuse("other@example.com")
        assert inbox.recipients == [OPERATOR] * 2
        now_s[0] = 3_600.0
        await refuse(OWNER)
        assert inbox.recipients == [OPERATOR] * 3
    assert mails.count("refused", report="held_back") == 1
    assert mails.count("refused", report="sent") == 3


async def test_the_report_names_the_address_and_the_server_s_words() -> None:
    inbox = Inbox(refused={OWNER: "550 5.1.1 no such user"})
    event = one("balance-low")
    async with serving(inbox) as port:
        await Mails(email_table(port)).target.deliver(event, 1)
    report = inbox.mails()[0]
    body = report.get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert report["To"] == OPERATOR
    assert report["Auto-Submitted"] == "auto-generated"
    assert report["Message-ID"] == f"<{event.notification_id}.refused@acme.example>"
    assert f"\nAddress: {OWNER}\n" in text
    assert "\nMail: balance-low\n" in text
    assert "\nAnswer: 550 5.1.1 no such user\n" in text


async def test_words_that_are_not_utf_8_are_reported_too() -> None:
    """Servers answer in the letters of their country; Latin-1 here."""
    contents: list[bytes] = []
    refusal = {b"RCPT TO:<owner": b"550 5.1.1 Empf\xe4nger unbekannt\r\n"}
    async with answering(refusal, contents) as port:
        mails = Mails(email_table(port))
        assert await mails.target.deliver(one("balance-low"), 1) == GaveUp("the mail server answered 550")
    assert mails.count("refused", report="sent") == 1
    mail = message_from_bytes(contents[0], policy=policy.default)
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("plain",))
    assert body is not None
    assert "550 5.1.1 Empf\N{REPLACEMENT CHARACTER}nger unbekannt" in body.get_content()


async def test_a_server_that_refuses_the_greeting_keeps_the_mail_waiting() -> None:
    """About the session, not about the mail: decision 0064."""
    contents: list[bytes] = []
    async with answering({b"EHLO": b"550 not you\r\n", b"HELO": b"550 not you\r\n"}, contents) as port:
        mails = Mails(email_table(port))
        outcome = await mails.target.deliver(one("balance-low"), 1)
    assert outcome == Retry("the mail server refused the connection (550)")
    assert not contents


async def test_the_operator_s_own_refusal_is_not_reported() -> None:
    inbox = Inbox(refused={OPERATOR: "550 5.1.1 unknown"})
    async with serving(inbox) as port:
        mails = Mails(email_table(port))
        assert await mails.target.deliver(one("call-stuck"), 1) == GaveUp("the mail server answered 550")
    assert mails.count("refused", report="no_operator") == 1


async def test_an_event_without_an_address_is_settled_and_counted() -> None:
    mails = Mails(email_table(1, operator=None))
    for kind in ("balance-low", "receipt-issued", "invoice-issued"):
        assert await mails.target.deliver(changed(one(kind), billing_email=None), 1) == Delivered()
    assert await mails.target.deliver(one("call-stuck"), 1) == Delivered()
    assert mails.count("without_address", audience="owner") == 3
    assert mails.count("without_address", audience="operator") == 1


@pytest.mark.parametrize(
    "address", ["a@b.example\r\nBcc: c@d.example", "a b@c.example", "a@b@c.example", "x<a@b.example", "a@"]
)
async def test_what_is_no_address_is_never_sent_to(address: str) -> None:
    inbox = Inbox()
    async with serving(inbox) as port:
        outcome = await Mails(email_table(port)).target.deliver(one("balance-low", billing_email=address), 1)
    assert isinstance(outcome, GaveUp)
    assert "example" not in outcome.why
    assert inbox.recipients == [OPERATOR]
    assert b"\nBcc:" not in inbox.contents[0]


async def test_no_connection_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        outcome = await Mails(email_table(unused.getsockname()[1])).target.deliver(one("balance-low"), 1)
    assert isinstance(outcome, Retry)
    assert outcome.why.startswith("no connection to the mail server")
    assert not outcome.timed_out


async def test_a_server_that_says_nothing_is_a_time_out() -> None:
    silent = await asyncio.start_server(lambda _reader, _writer: None, HOST, 0)
    async with silent:
        server = MailServer(email_table(silent.sockets[0].getsockname()[1]), answer_s=0.2)
        with pytest.raises(NotSentError, match="in time") as caught:
            await server.send(Envelope("a@b.example", OWNER, wide=False), b"Subject: x\r\n\r\n")
    assert caught.value.timed_out


async def test_an_attempt_can_be_cancelled_and_leaves_no_connection() -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def greet_and_hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.acme.example\r\n")
        assert (await reader.readline()).startswith(b"EHLO")
        reached.set()
        assert await reader.read() == b""
        left.set()

    silent = await asyncio.start_server(greet_and_hang, HOST, 0)
    async with silent, asyncio.timeout(10):
        target = Mails(email_table(silent.sockets[0].getsockname()[1])).target
        attempt = asyncio.create_task(target.deliver(one("balance-low"), 1))
        await reached.wait()
        attempt.cancel()
        await asyncio.wait([attempt])
        assert attempt.cancelled()
        await left.wait()


async def test_a_server_that_takes_the_mail_and_then_hangs_has_it() -> None:
    """What follows the 250 changes nothing: a second mail would be one too many."""
    inbox = Inbox(silent_farewell=True)
    async with serving(inbox) as port:
        assert await Mails(email_table(port)).target.deliver(one("balance-low"), 1) == Delivered()
    assert len(inbox.contents) == 1


class TestEncryption:
    @pytest.fixture(autouse=True)
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
        """A certificate authority that this process trusts."""
        made = trustme.CA()
        made.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        return made

    @pytest.mark.parametrize("tls", ["starttls", "tls"])
    async def test_a_mail_goes_through_an_encrypted_connection(self, tls: str, authority: trustme.CA) -> None:
        inbox = Inbox()
        async with serving(inbox, tls, authority.issue_cert(HOST)) as port:
            assert await Mails(email_table(port, tls=tls)).target.deliver(one("balance-low"), 1) == Delivered()
        assert inbox.secured == [True]

    async def test_a_server_that_cannot_encrypt_gets_nothing(self) -> None:
        inbox = Inbox()
        async with serving(inbox) as port:
            outcome = await Mails(email_table(port, tls="starttls")).target.deliver(one("balance-low"), 1)
        assert isinstance(outcome, Retry)
        assert not inbox.contents

    @pytest.mark.parametrize("tls", ["starttls", "tls"])
    @pytest.mark.parametrize("names", [True, False], ids=["another name", "another authority"])
    async def test_a_certificate_is_checked(self, tls: str, names: bool, authority: trustme.CA) -> None:
        certificate = authority.issue_cert("other.example") if names else trustme.CA().issue_cert(HOST)
        inbox = Inbox()
        async with serving(inbox, tls, certificate) as port:
            outcome = await Mails(email_table(port, tls=tls)).target.deliver(one("balance-low"), 1)
        assert isinstance(outcome, Retry)
        assert not inbox.contents

    async def test_a_refused_log_in_loses_no_mail_and_a_new_password_is_read(
        self, tmp_path: Path, authority: trustme.CA
    ) -> None:
        file = tmp_path / "password"
        file.write_text("old\n")
        inbox = Inbox(password="new")
        async with serving(inbox, "starttls", authority.issue_cert(HOST)) as port:
            target = Mails(email_table(port, tls="starttls", user="acme", password_file=file)).target
            assert await target.deliver(one("balance-low"), 1) == Retry("the mail server refused the log-in (535)")
            file.write_text("new\n")
            assert await target.deliver(one("balance-low"), 2) == Delivered()
            file.unlink()
            outcome = await target.deliver(one("balance-low"), 3)
        assert isinstance(outcome, Retry)
        assert "password_file" in outcome.why
        assert inbox.recipients == [OWNER]
        assert inbox.log_ins >= 2
