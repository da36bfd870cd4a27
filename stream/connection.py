"""The connection to Kafka: the one place that turns settings into the arguments of a client.

Every client of aiokafka and Faust is made with `Connection.options`. aiokafka logs a connection that a broker refuses
and tries again for ever, or reports only that it "could not bootstrap". So making a connection is guarded here: a
refusal that only a person can remove (a wrong password, an unknown certificate) ends the process with its reason.
"""

import ssl
from asyncio import IncompleteReadError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from aiokafka import client, conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from pydantic import SecretStr

from stream.fail_stop import PersonNeededError

WITH_TLS = frozenset({"SSL", "SASL_SSL"})
WITH_SASL = frozenset({"SASL_PLAINTEXT", "SASL_SSL"})

# OpenSSL's codes for a certificate of another host name and of another address, and for one that has expired.
OTHER_NAME = frozenset({62, 64})
EXPIRED = 10
# What the other side sends when it refuses a handshake contains ALERT. These two pass.
PASSING_ALERTS = ("INTERNAL_ERROR", "USER_CANCELLED")
REFUSALS = ("ALERT", "WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE")
# A TLS alert read as the length of a Kafka response: its type (21) and the version of TLS (3.x).
ALERT_AS_LENGTH = range(0x1503_0000, 0x1504_0000)
CAUSES_MAX = 5


class RefusedError(PersonNeededError):
    """A broker refuses this process's connections, or is not the one it should be. The message holds no secret."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a process reaches its brokers and proves who it is. `tls` is None without TLS, `user` empty without SASL."""

    servers: str
    protocol: str = "PLAINTEXT"
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    mechanism: str = ""
    user: str = ""
    password: SecretStr = field(default=SecretStr(""), repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that every client of aiokafka takes."""
        guard()
        options: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.protocol}
        if self.tls is not None:
            options["ssl_context"] = self.tls
        if self.user:
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.user
            options["sasl_plain_password"] = self.password.get_secret_value()
        return options

    @property
    def who(self) -> str:
        """The name that the broker knows this process by, for error messages."""
        if self.user:
            return f"the user {self.user} (TOLLGATE_SASL_USER)"
        return "this process (its certificate's name)" if self.tls is not None else "this process (it has no user)"


@lru_cache
def tls_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Checks the broker's certificate and host name against `ca`, the system's authorities when None. With a
    `certificate` it identifies this process; its `key` may be in the same file.

    Raises ValueError that names the variable.
    """
    for name, file in (("CA_FILE", ca), ("CERTIFICATE_FILE", certificate), ("KEY_FILE", key)):
        if file is not None:
            _read(f"TOLLGATE_SSL_{name}", file)
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ValueError(f"TOLLGATE_SSL_CA_FILE: {ca} holds no certificate in PEM format") from error
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(
                f"TOLLGATE_SSL_CERTIFICATE_FILE: {certificate} and {key or 'the key in it'} must be a certificate and"
                " its key, in PEM format and without a passphrase"
            ) from error
    return context


def _no_passphrase() -> str:
    """OpenSSL would ask at the terminal, and wait there."""
    raise ValueError("the key has a passphrase")


@lru_cache
def read_password(file: Path) -> SecretStr:
    """The password in `file`, without the line's end. Raises ValueError that names the variable, not the content."""
    variable = "TOLLGATE_SASL_PASSWORD_FILE"
    try:
        password = _read(variable, file).decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{variable}: {file} is not UTF-8") from None
    if not password:
        raise ValueError(f"{variable}: {file} is empty: write the password into it")
    if "\n" in password or "\0" in password:
        raise ValueError(f"{variable}: {file} must hold the password alone, in one line")
    return SecretStr(password)


def _read(variable: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(f"{variable}: {file} cannot be read: {error.strerror}") from error


def _raise(error: RefusedError) -> NoReturn:
    raise error


_end: Callable[[RefusedError], NoReturn] = _raise


def end_with(end: Callable[[RefusedError], NoReturn]) -> None:
    """From now on call `end` for a refused connection, from whichever task or thread it is made in. aiokafka connects
    in tasks whose errors nobody sees, so a process ends there and then. By default the error is raised.
    """
    global _end  # noqa: PLW0603  one per process, like the connections that it ends
    _end = end


def guard() -> None:
    """Guard every connection that aiokafka makes in this process."""
    client.create_conn = _create_guarded


async def _create_guarded(host: str, port: int, **options: Any) -> Any:
    try:
        return await conn.create_conn(host, port, **options)
    except (OSError, KafkaError, ValueError) as error:
        reason = refusal(error, f"{host}:{port}", options)
        if reason:
            _end(RefusedError(reason))
        raise


def refusal(error: BaseException, broker: str, options: Mapping[str, Any]) -> str:
    """Why a person must act before `broker` can be used; empty if the error may pass. `options` are the client's."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _untrusted(cause, broker)
            case ssl.SSLError() if _is_refusal(cause.reason or ""):
                return (
                    f"{broker} refuses this client's TLS ({cause.reason}): TOLLGATE_SSL_CERTIFICATE_FILE must be a"
                    " certificate that the broker trusts, if it requires one"
                )
            case IncompleteReadError() if cause.expected in ALERT_AS_LENGTH:
                protocol = options.get("security_protocol")
                return f"{broker} expects TLS: TOLLGATE_SECURITY_PROTOCOL is {protocol}, should be SSL or SASL_SSL"
            case KafkaError() | ValueError():
                reason = _refused_sasl(cause, broker, options)
                if reason:
                    return reason
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(CAUSES_MAX):
        if error is None:
            return
        yield error
        error = error.__cause__


def _is_refusal(reason: str) -> bool:
    return any(word in reason for word in REFUSALS) and not reason.endswith(PASSING_ALERTS)


def _untrusted(error: ssl.SSLCertVerificationError, broker: str) -> str:
    if error.verify_code in OTHER_NAME:
        cure = (
            "TOLLGATE_BOOTSTRAP_SERVERS, and the broker's advertised.listeners, must use a name that is in its"
            " certificate"
        )
    elif error.verify_code == EXPIRED:
        cure = "renew the broker's certificate"
    else:
        cure = "TOLLGATE_SSL_CA_FILE must hold the authority that signed the broker's certificate"
    return f"the certificate of {broker} is not accepted ({error.verify_message.rstrip('.')}): {cure}"


def _refused_sasl(error: BaseException, broker: str, options: Mapping[str, Any]) -> str:
    user, mechanism = options.get("sasl_plain_username"), options.get("sasl_mechanism")
    match error:
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return (
                f"{broker} refuses the user {user}: TOLLGATE_SASL_USER, TOLLGATE_SASL_PASSWORD or its file, or"
                f" TOLLGATE_SASL_MECHANISM ({mechanism}) is wrong"
            )
        case UnsupportedSaslMechanismError() | AuthenticationMethodNotSupported():
            return f"{broker} does not offer {mechanism}: choose another TOLLGATE_SASL_MECHANISM"
        case IllegalSaslStateError():
            protocol = options.get("security_protocol")
            return f"{broker} expects no login: TOLLGATE_SECURITY_PROTOCOL is {protocol}, should be PLAINTEXT or SSL"
        case ValueError() if user:
            # The last step of SCRAM proves that the broker knows the password too.
            return f"{broker} did not prove that it knows the password of {user}: check TOLLGATE_BOOTSTRAP_SERVERS"
    return ""
