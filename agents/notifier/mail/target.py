"""The mails as a target of the notifier."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from agents.notifier.event import Event
from agents.notifier.mail.address import AddressError, Mailbox, read_address, read_mailbox
from agents.notifier.mail.brand import MailSetupError, look_of
from agents.notifier.mail.invoice_pdf import InvoicePdfs
from agents.notifier.mail.kinds import FIELDS, INVOICE, is_for_operator
from agents.notifier.mail.message import Attachment, Letter, encode, is_wide
from agents.notifier.mail.metrics import MailMetrics
from agents.notifier.mail.reports import Reports
from agents.notifier.mail.server import Envelope, MailServer, NotSentError, RefusedError
from agents.notifier.mail.templates import Rendered, TemplateFaultError
from agents.notifier.mail.writing import Writer
from agents.notifier.outcome import Delivered, GaveUp, Outcome, Retry
from agents.notifier.tables import Brand, Email
from backoffice.documents.issued import DocumentError
from backoffice.documents.issuer import Issuer, Logo
from schemas.alerts import OPERATOR, OWNER
from schemas.plan import Catalogue
from stream import log

logger = log.get("notifier")

NAME = "email"


class MailTarget:
    """Mails owners and the operator. Raises MailSetupError when the brand or the templates cannot be used."""

    name = NAME

    def __init__(
        self,
        email: Email,
        brand: Brand,
        *,
        issuer: tuple[Issuer, Logo | None],
        catalogue: Catalogue,
        templates: Path | None,
        metrics: MailMetrics,
        reports: Reports | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        look = look_of(brand, *issuer)
        self.types = email.asked & FIELDS.keys()
        self._sender = _configured("from", email.from_, look.name)
        self._reply_to = None if email.reply_to is None else _configured("reply_to", email.reply_to)
        self._operator = None if email.operator is None else _configured("operator", email.operator)
        self._server = MailServer(email)
        self._writer = Writer(look, catalogue, templates)
        self._pdfs = InvoicePdfs(*issuer)
        self._metrics, self._clock = metrics, clock
        self._reports = Reports() if reports is None else reports

    def takes(self, event: Event) -> bool:
        return event.type in self.types

    async def deliver(self, event: Event, attempt: int) -> Outcome:  # noqa: ARG002 every attempt is the same
        """Send the mail of the event. An event without an address is settled, and counted."""
        try:
            recipient = self._recipient(event)
            if recipient is None:
                return Delivered()
            content = self._writer.write(event)
            attachment = await self._pdfs.attach(event) if event.type == INVOICE else None
            await self._send(recipient, event.notification_id, content, attachment)
        except AddressError as error:
            return await self._give_up(event, str(error), str(error))
        except RefusedError as error:
            return await self._give_up(event, str(error), error.answer)
        except NotSentError as error:
            return Retry(str(error), timed_out=error.timed_out)
        except (TemplateFaultError, DocumentError) as error:
            # A person can correct either while the mail waits.
            return Retry(str(error))
        return Delivered()

    async def close(self) -> None:
        self._pdfs.close()

    def _recipient(self, event: Event) -> Mailbox | None:
        """Whom the event is mailed to; None when there is no address. Raises AddressError."""
        if is_for_operator(event):
            if self._operator is None:
                self._metrics.without_address.labels(OPERATOR).inc()
            return self._operator
        address = _address_of(event)
        if not address:
            self._metrics.without_address.labels(OWNER).inc()
            return None
        return read_address(address)

    async def _send(self, to: Mailbox, message_id: str, content: Rendered, attachment: Attachment | None) -> None:
        look = self._writer.look
        letter = Letter(self._sender, to, self._reply_to, message_id, content, look.logo, attachment)
        envelope = Envelope(self._sender.address, to.address, is_wide(letter))
        await self._server.send(envelope, encode(letter, self._clock()))

    async def _give_up(self, event: Event, why: str, answer: str) -> Outcome:
        """Report the mail that was not taken to the operator, unless it was the operator who got it."""
        report = "no_operator" if self._operator is None or is_for_operator(event) else "held_back"
        address = _address_of(event)
        if report == "held_back" and self._reports.claim(address):
            report = await self._report(event, address, answer)
        self._metrics.refused.labels(report).inc()
        return GaveUp(why)

    async def _report(self, event: Event, address: str, answer: str) -> str:
        assert self._operator is not None
        try:
            content = self._writer.write_refused(event, address, answer)
            await self._send(self._operator, f"{event.notification_id}.refused", content, None)
        except (NotSentError, RefusedError, TemplateFaultError) as error:
            self._reports.release(address)
            logger.warning("the operator was not mailed about a refused mail", reason=str(error))
            return "failed"
        return "sent"


def _address_of(event: Event) -> str:
    given = event.fields.get("billing_email")
    return given if isinstance(given, str) else ""


def _configured(key: str, text: str, name: str = "") -> Mailbox:
    try:
        return read_mailbox(text, name)
    except AddressError as error:
        raise MailSetupError(f"[email]: {key}: {error}: write an address, or `Name <address>`") from None
