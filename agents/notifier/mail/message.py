"""Builds a mail: its headers, its two texts, the logo and the attached invoice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime

from agents.notifier.mail.address import Mailbox
from agents.notifier.mail.brand import Picture
from agents.notifier.mail.templates import Rendered
from agents.notifier.mail.writing import LOGO_ID

_LINE_END = "\r\n"
_LINE_MAX = 76


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
    headers = "".join(f"{name}: {value}{_LINE_END}" for name, value in _headers(letter, at))
    return headers.encode() + _body(letter).as_bytes()


def _headers(letter: Letter, at: datetime) -> Iterator[tuple[str, str]]:
    yield "From", _mailbox(letter.sender)
    yield "To", _mailbox(letter.recipient)
    if letter.reply_to is not None:
        yield "Reply-To", _mailbox(letter.reply_to)
    yield "Subject", _text(letter.content.subject, "Subject")
    yield "Date", format_datetime(at)
    yield "Message-ID", f"<{letter.message_id}@{letter.sender.domain}>"
    # No auto-responder answers to such a mail. RFC 3834.
    yield "Auto-Submitted", "auto-generated"


def _body(letter: Letter) -> EmailMessage:
    body = EmailMessage(policy=policy.SMTP)
    body.set_content(letter.content.text, cte="quoted-printable")
    body.add_alternative(letter.content.html, subtype="html", cte="quoted-printable")
    if letter.logo is not None:
        _, html = body.iter_parts()
        assert isinstance(html, EmailMessage)
        html.add_related(letter.logo.png, "image", "png", cid=f"<{LOGO_ID}>", disposition="inline", filename="logo.png")
    if letter.attachment is not None:
        body.add_attachment(letter.attachment.pdf, "application", "pdf", filename=letter.attachment.name)
    return body


def _mailbox(box: Mailbox) -> str:
    if not box.name:
        return box.address
    # Quoted, because a comma or a point would end a name that is not.
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", box.name) + '"'
    shown = _text(box.name, "Reply-To") if _is_encoded(box.name) else quoted
    fold = _LINE_END if len(shown) + len(box.address) > _LINE_MAX else ""
    return f"{shown}{fold} <{box.address}>"


def _text(text: str, name: str) -> str:
    """A header's text, folded. The newer classes of `email` put blanks into long words when they fold them (seen in
    CPython 3.11), so this takes the older one.
    """
    charset = "utf-8" if _is_encoded(text) else "us-ascii"
    return Header(text, charset, maxlinelen=_LINE_MAX, header_name=name).encode(linesep=_LINE_END)


def _is_encoded(text: str) -> bool:
    """Whether a text needs encoded words: also one that would be read as such."""
    return not text.isascii() or "=?" in text


def is_wide(letter: Letter) -> bool:
    """Whether the mail server must know SMTPUTF8."""
    boxes = (letter.sender, letter.recipient, letter.reply_to)
    return any(box is not None and box.wide for box in boxes)
