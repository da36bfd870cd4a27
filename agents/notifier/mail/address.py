"""E-mail addresses, checked before anything is written to a header or to the mail server."""

import re
from dataclasses import dataclass

from backoffice.documents.wording import plain

_LOCAL_MAX, _DOMAIN_MAX = 64, 255
# What stands unquoted before the @ (RFC 5321 and 6531): no blank, no control character, nothing that ends an address.
_LOCAL = re.compile(r"[^\s\x00-\x1f\x7f-\x9f()<>\[\]:;,\\\"@.]+(\.[^\s\x00-\x1f\x7f-\x9f()<>\[\]:;,\\\"@.]+)*\Z")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z", re.IGNORECASE | re.ASCII)
_WIDE_DOMAIN = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\Z")


class AddressError(ValueError):
    """The text is no address that mail can be sent to. The message does not repeat it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name that is shown. `wide` means that a mail server must know SMTPUTF8 to take it."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def wide(self) -> bool:
        return not self.address.isascii()


def read_address(text: str, name: str = "") -> Mailbox:
    """A bare address, as an event has it. Raises AddressError."""
    local, at, domain = text.partition("@")
    if not at or len(local) > _LOCAL_MAX or len(domain) > _DOMAIN_MAX or not _LOCAL.match(local):
        raise AddressError("not an e-mail address")
    return Mailbox(plain(name), local, _domain(domain))


def read_mailbox(text: str, name: str = "") -> Mailbox:
    """An address with or without a name of its own: `Acme <billing@acme.example>`. Raises AddressError."""
    before, angle, behind = text.strip().rpartition("<")
    if not angle or not behind.endswith(">"):
        return read_address(text.strip(), name)
    return read_address(behind[:-1], before.strip().strip('"') or name)


def _domain(text: str) -> str:
    """The domain in ASCII where that is certain to be the same domain; otherwise as written, for SMTPUTF8."""
    if _DOMAIN.match(text):
        return text
    if not _WIDE_DOMAIN.match(text) or text.isascii():
        raise AddressError("the part behind the @ is no domain")
    try:
        narrow = text.encode("idna").decode("ascii")
        # The standard library knows the rules of 2003, which turn some letters (ß) into others: another domain.
        certain = narrow.encode("ascii").decode("idna") == text.lower()
    except UnicodeError:
        raise AddressError("the part behind the @ is no domain") from None
    return narrow if certain else text
