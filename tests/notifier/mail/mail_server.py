"""A real mail server for tests, which answers as a test wants, and a target that mails through it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from agents.notifier.mail.metrics import METRICS, MailMetrics
from agents.notifier.mail.reports import Reports
from agents.notifier.mail.target import MailTarget
from agents.notifier.tables import Brand, Email
from backoffice.documents.issuer import Issuer, Logo
from stream.ops.instruments import Instruments
from tests.notifier.mail.samples import BRAND, catalogue

HOST = "127.0.0.1"
OPERATOR = "ops@acme.example"
OK = "250 OK"


@dataclass
class Inbox:
    """What has arrived, and the answers to what arrives next: `refused` by recipient, the others for every mail. `drop`
    ends the connection in the middle of the mail, `silent_farewell` leaves a QUIT without an answer.
    """

    password: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    mail_answer: str = OK
    data_answer: str = OK
    drop: bool = False
    silent_farewell: bool = False
    contents: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    log_ins: int = 0

    def mails(self) -> list[EmailMessage]:
        read = [message_from_bytes(content, policy=policy.default) for content in self.contents]
        return [mail for mail in read if isinstance(mail, EmailMessage)]

    async def handle_MAIL(  # noqa: N802 the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.mail_answer

    async def handle_RCPT(  # noqa: N802 the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.refused.get(address, OK)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 the library's name
        if self.drop:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        elif self.data_answer == OK:
            assert isinstance(envelope.original_content, bytes)
            self.contents.append(envelope.original_content)
            self.recipients.extend(envelope.rcpt_tos)
            assert server.transport is not None
            self.secured.append(server.transport.get_extra_info("sslcontext") is not None)
        return self.data_answer

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 the library's name
        if self.silent_farewell:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.pause_reading()
            await asyncio.Event().wait()
        return "221 Bye"

    def log_in(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        self.log_ins += 1
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given.login == b"acme" and given.password == self.password.encode(), handled=False)


@asynccontextmanager
async def serving(
    inbox: Inbox, tls: str = "none", certificate: trustme.LeafCert | None = None, *, wide: bool = True
) -> AsyncIterator[int]:
    """A server on a free port. `tls` is what it can do, as in `[email]`; `wide`: SMTPUTF8 too."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(
            inbox,
            hostname="mail.acme.example",
            enable_SMTPUTF8=wide,
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=inbox.log_in,
            auth_required=bool(inbox.password),
            auth_require_tls=tls == "starttls",
            loop=loop,
        )

    server = await loop.create_server(session, HOST, 0, ssl=context if tls == "tls" else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def email_table(port: int, **changes: Any) -> Email:
    given: dict[str, Any] = {"host": HOST, "port": port, "tls": "none", "from_": "billing@acme.example"}
    return Email(**{**given, "operator": OPERATOR, **changes})


class Mails:
    """A target, and its counts."""

    def __init__(
        self,
        email: Email,
        *,
        brand: Brand = BRAND,
        issuer: tuple[Issuer, Logo | None] = (Issuer(), None),
        templates: Path | None = None,
        reports: Reports | None = None,
    ) -> None:
        made = Instruments(METRICS)
        self.registry = made.registry
        self.target = MailTarget(
            email,
            brand,
            issuer=issuer,
            catalogue=catalogue(),
            templates=templates,
            metrics=MailMetrics(made),
            reports=reports,
        )

    def count(self, name: str, **labels: str) -> float:
        found = self.registry.get_sample_value(f"tollgate_notifier_mails_{name}_total", labels)
        assert found is not None, "the series is there from the start"
        return found
