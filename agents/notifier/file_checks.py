"""What may be wrong in a table of the file beyond the types of its values. A message shows no value."""

import base64
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit

from yarl import URL

from agents.notifier.tables import Apprise, Email, Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105 what precedes a secret
# The bounds of Standard Webhooks.
SECRET_BYTES = range(24, 65)
_MAKE_ONE = "make one with: echo whsec_$(openssl rand -base64 32)"


def wrong_in_webhook(table: Webhook) -> str:
    """What to correct; empty when nothing."""
    if wrong := _wrong_in_url(table):
        return f"url: {wrong}"
    for number, secret in enumerate(table.secrets, 1):
        if not _is_secret(secret):
            length = f"{SECRET_BYTES.start} to {SECRET_BYTES.stop - 1} bytes"
            return f"secret: number {number} is not {SECRET_PREFIX} and the Base64 of {length}; {_MAKE_ONE}"
    return ""


def wrong_in_apprise(table: Apprise) -> str:
    """What to correct; empty when nothing."""
    if find_spec("apprise") is None:
        return "the library `apprise` is not installed: install `tollgate[apprise]`, or remove the table"
    from apprise import Apprise as Channels  # noqa: PLC0415 an optional library

    if not Channels().add(table.url):
        return "url: not an address that Apprise knows; https://github.com/caronc/apprise lists them"
    return ""


def wrong_in_email(table: Email) -> str:
    """What to correct; empty when nothing."""
    if (table.password_file is None) != (not table.user):
        return "user and password_file belong together: write both, or neither"
    if table.password_file is not None:
        try:
            content = table.password_file.read_bytes()
        except OSError as error:
            return f"password_file: {table.password_file}: cannot be read: {error.strerror}"
        if not content.strip():
            return f"password_file: {table.password_file}: is empty: write the password into it"
    if table.tls == "none" and not _is_loopback(table.host):
        return 'tls: "none" is for a server on this machine alone (127.0.0.1, ::1, localhost): use "starttls" or "tls"'
    for key, given in (("from", table.from_), ("reply_to", table.reply_to), ("operator", table.operator)):
        if given is not None and ("@" not in given or not given.isprintable()):
            return f"{key}: not an e-mail address"
    return ""


def _wrong_in_url(table: Webhook) -> str:
    try:
        parts = urlsplit(table.url)
        port, host = parts.port, parts.hostname or ""
        # What connects reads the address by rules of its own.
        connected = URL(table.url, encoded=True).host
    except ValueError:
        # Its words show a part of the address, which may be a password.
        return "not an address: its host or port cannot be read"
    if not table.url.isascii() or not table.url.isprintable() or " " in table.url:
        return "not an address: write it in ASCII, percent-encoded"
    schemes = {"https", "http"} if table.allow_private else {"https"}
    if parts.scheme not in schemes:
        return "must begin with https:// (allow_private = true also takes http://)"
    if not host.strip(".") or not connected or port == 0:
        return "has no host, or port 0"
    if "@" in parts.netloc:
        return "has a user name or password in it: the signature is what proves the sender; remove it"
    if parts.fragment:
        return "has a fragment (#…), which is never sent: remove it"
    return ""


def _is_secret(given: str) -> bool:
    if not given.startswith(SECRET_PREFIX):
        return False
    try:
        return len(base64.b64decode(given.removeprefix(SECRET_PREFIX), validate=True)) in SECRET_BYTES
    except ValueError:
        # Not Base64, or not ASCII.
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
