"""Hands one mail to the mail server, and says what came of it."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiosmtplib

from agents.notifier.tables import Email

# One answer of the server; a whole mail, connecting and waiting for a place included.
ANSWER_S = 15.0
MAIL_S = 60.0
FAREWELL_S = 1.0
# Mail servers limit the connections of one client.
CONNECTIONS_MAX = 8
_REFUSED: Final = 500
# The session is at fault, not the mail: the server wants a log-in or encryption first (RFC 4954, 3207).
_SESSION_CODES = frozenset({530, 534, 535, 538})
_ANSWER_MAX = 500


class NotSentError(Exception):
    """The mail was not taken, and may be later. The message is for the log."""

    def __init__(self, why: str, *, timed_out: bool = False) -> None:
        super().__init__(why)
        self.timed_out = timed_out


class RefusedError(Exception):
    """The server has refused this mail for good. The message is for the log; `answer` may name the recipient."""

    def __init__(self, why: str, answer: str) -> None:
        super().__init__(why)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Envelope:
    sender: str
    recipient: str
    wide: bool


class MailServer:
    """The server of `[email]`. Each mail has a connection of its own."""

    def __init__(self, email: Email, answer_s: float = ANSWER_S) -> None:
        self._email, self._answer_s = email, answer_s
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._tls: ssl.SSLContext | None = None

    async def send(self, envelope: Envelope, message: bytes) -> None:
        """Return once the server has taken the mail. Raises NotSentError and RefusedError."""
        try:
            async with asyncio.timeout(MAIL_S), self._places:
                client = await self._connected()
                try:
                    await _hand_over(client, envelope, message)
                    # The server has the mail: what it says to the farewell changes nothing.
                    with suppress(aiosmtplib.SMTPException, OSError):
                        await client.quit(timeout=FAREWELL_S)
                finally:
                    client.close()
        except TimeoutError:
            raise NotSentError(f"the mail server took longer than {MAIL_S:.0f} s", timed_out=True) from None

    async def _connected(self) -> aiosmtplib.SMTP:
        """A session, logged in. Whatever prevents it is no fault of the mail, so the mail is kept."""
        email = self._email
        try:
            client = aiosmtplib.SMTP(
                hostname=email.host,
                port=email.port,
                use_tls=email.tls == "tls",
                # True is an order: a server that cannot encrypt gets no mail.
                start_tls=email.tls == "starttls",
                tls_context=None if email.tls == "none" else await self._trust(),
                username=email.user or None,
                password=await asyncio.to_thread(self._password),
                timeout=self._answer_s,
            )
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotSentError(f"the mail server refused the log-in ({error.code})") from None
        except aiosmtplib.SMTPResponseException as error:
            raise NotSentError(f"the mail server refused the connection ({error.code})") from None
        except (aiosmtplib.SMTPTimeoutError, TimeoutError):
            raise NotSentError("the mail server did not answer in time", timed_out=True) from None
        except ssl.SSLError as error:
            raise NotSentError(f"no encrypted connection to the mail server: {error.reason}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSentError(f"no connection to the mail server: {error}") from None
        return client

    async def _trust(self) -> ssl.SSLContext:
        """The authorities of the system, read once: that takes longer than a mail."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    def _password(self) -> str | None:
        """Read for each connection, so that a new password needs no restart."""
        path = self._email.password_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NotSentError(f"password_file: {path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise NotSentError(f"password_file: {path} is not UTF-8") from None


async def _hand_over(client: aiosmtplib.SMTP, envelope: Envelope, message: bytes) -> None:
    """One mail transaction. Raises NotSentError and RefusedError."""
    try:
        await client.sendmail(
            envelope.sender, [envelope.recipient], message, mail_options=["SMTPUTF8"] if envelope.wide else []
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _failure(error.recipients[0]) from None
    except aiosmtplib.SMTPHeloError as error:
        # The library greets late where it need not log in.
        raise NotSentError(f"the mail server refused the connection ({error.code})") from None
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error) from None
    except aiosmtplib.SMTPNotSupported:
        answer = "the address has letters that this mail server does not take (SMTPUTF8)"
        raise RefusedError(answer, answer) from None
    except aiosmtplib.SMTPTimeoutError:
        raise NotSentError("the mail server did not answer in time", timed_out=True) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotSentError(f"the connection to the mail server ended: {type(error).__name__}") from None


def _failure(error: aiosmtplib.SMTPResponseException) -> NotSentError | RefusedError:
    """What an answer to the mail itself means. Its text may repeat the address, so the log has the code alone."""
    why = f"the mail server answered {error.code}"
    if error.code >= _REFUSED and error.code not in _SESSION_CODES:
        # The library keeps bytes that are not UTF-8 as characters that no mail can hold.
        words = error.message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return RefusedError(why, f"{error.code} {words}"[:_ANSWER_MAX])
    return NotSentError(why)
