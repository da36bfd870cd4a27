"""Builds a mail: its headers, its two texts, the logo and the attached invoice."""

from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from agents.notifier.mail.address import Mailbox
from agents.notifier.mail.brand import Picture
from agents.notifier.mail.templates import Rendered
from agents.notifier.mail.writing import LOGO_ID


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    pdf: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one recipient. `message_id` is what stands before the @; the domain is the sender's."""

    sender: Mailbox
    recipient: Mailbox
    reply_to: Mailbox | None
    message_id: str
    content: Rendered
    logo: Picture | None
    attachment: Attachment | None = None


def encode(letter: Letter, at: datetime) -> bytes:
    """The mail as sent, with the date `at`. Only 7-bit characters, unless an address has others."""
    message = EmailMessage(policy=policy.SMTPUTF8 if is_wide(letter) else policy.SMTP)
    message["From"] = letter.sender.header()
    message["To"] = letter.recipient.header()
    if letter.reply_to is not None:
        message["Reply-To"] = letter.reply_to.header()
    message["Subject"] = letter.content.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{letter.message_id}@{letter.sender.domain}>"
    # No auto-responder answers to such a mail. RFC 3834.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.content.text, cte="quoted-printable")
    message.add_alternative(letter.content.html, subtype="html", cte="quoted-printable")
    if letter.logo is not None:
        _, html = message.iter_parts()
        assert isinstance(html, EmailMessage)
        html.add_related(letter.logo.png, "image", "png", cid=f"<{LOGO_ID}>", disposition="inline", filename="logo.png")
    if letter.attachment is not None:
        message.add_attachment(letter.attachment.pdf, "application", "pdf", filename=letter.attachment.name)
    return message.as_bytes()


def is_wide(letter: Letter) -> bool:
    """Whether the mail server must know SMTPUTF8."""
    boxes = (letter.sender, letter.recipient, letter.reply_to)
    return any(box is not None and box.wide for box in boxes)
