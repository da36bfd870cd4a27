"""Maps an error to an exit status and one clear line for the supervisor and the operator, in one place."""

import errno
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from aiokafka import errors as kafka
from pydantic import ValidationError

from schemas.currencies import CatalogueError
from schemas.rows import CorruptRowError
from stream import log
from stream.fail_stop import Exit, PersonNeededError, StatusError, halt
from stream.lane.commit_errors import FencedError
from stream.settings import validation_line


@dataclass(frozen=True, slots=True)
class Failure:
    """The exit status and the line for an error. `line` contains no traceback and no secret."""

    status: Exit
    line: str


# Where the rights of each process are listed.
SEE = "docs/security.md lists what it needs, `tollgate rights` prints the commands"
# Somebody took a right away, or gave the process another password or certificate.
ACCESS: tuple[type[BaseException], ...] = (
    kafka.GroupAuthorizationFailedError,
    kafka.TopicAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailed,
    kafka.ClusterAuthorizationFailedError,
)
# What the operator must change, and where. The broker's own message only reports the refusal.
HINTS: dict[type[BaseException], str] = {
    kafka.InvalidSessionTimeoutError: "the broker refuses TOLLGATE_SESSION_TIMEOUT_MS: it must lie between the "
    "broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
    kafka.InvalidTransactionTimeout: "the broker refuses TOLLGATE_TRANSACTION_TIMEOUT_MS: it is above the broker's "
    "transaction.max.timeout.ms",
    kafka.InconsistentGroupProtocolError: "the consumer group has members of another program: choose another "
    "TOLLGATE_APP_ID or stop them",
    kafka.InvalidGroupIdError: "the broker refuses the name of the consumer group: choose another TOLLGATE_APP_ID",
    kafka.GroupAuthorizationFailedError: f"missing right: Read on the consumer group; {SEE}",
    kafka.TopicAuthorizationFailedError: "missing right on a topic: Read where it is consumed, Write where it is "
    f"published, Describe or DescribeConfigs where it is checked; {SEE}",
    kafka.TransactionalIdAuthorizationFailed: f"missing right: Write on the transactional ids; {SEE}",
    kafka.ClusterAuthorizationFailedError: f"missing right on the cluster; {SEE}",
    kafka.OffsetOutOfRangeError: "the log does not have the next offset to read: records were deleted",
}
PERSON: tuple[type[BaseException], ...] = (
    *HINTS,
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.SecurityDisabled,
    kafka.UnsupportedVersionError,
    kafka.IncompatibleBrokerVersion,
    kafka.UnrecognizedBrokerVersion,
    kafka.UnsupportedForMessageFormatError,
    kafka.UnsupportedCodecError,
    kafka.KafkaConfigurationError,
    kafka.InvalidConfigurationError,
    kafka.InvalidReplicationFactorError,
    kafka.InvalidTopicError,
    kafka.PolicyViolationError,
    kafka.NoOffsetForPartitionError,
    PersonNeededError,
    CatalogueError,
    CorruptRowError,
    ValidationError,
)
# The client does not mark these as retriable, but a restart removes them.
PASSING: tuple[type[BaseException], ...] = (
    FencedError,
    kafka.KafkaTimeoutError,
    kafka.KafkaUnavailableError,
    kafka.BrokerNotAvailableError,
    kafka.ReplicaNotAvailableError,
    kafka.StaleLeaderEpochCodeError,
    kafka.CommitFailedError,
    kafka.IllegalGenerationError,
    kafka.UnknownMemberIdError,
    kafka.RebalanceInProgressError,
    kafka.ProducerFenced,
    kafka.InvalidProducerEpoch,
    kafka.InvalidProducerIdMapping,
    kafka.UnknownProducerId,
    kafka.InvalidTxnState,
    kafka.ConcurrentTransactions,
    kafka.TransactionCoordinatorFenced,
    TimeoutError,
    ConnectionError,
)
# What the client asserts, where the library itself looks for a coordinator, when the cluster names no broker.
NO_NODE = "Did we not perform bootstrap?"
# What the client says when none of the servers answers: a list of Python tuples.
_NO_BROKER = "KafkaConnectionError: Unable to bootstrap from"
_SERVER = re.compile(r"\('([^']*)', ([0-9]+),")
# Errors of the operating system that only a person can remove.
PERSON_ERRNO = frozenset(
    {
        *(errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EISDIR),
        *(errno.ENOTDIR, errno.EEXIST, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG),
    }
)


def classify(error: BaseException) -> Failure:
    """The exit status and the line for any error. An error of the client that only wraps another one is unwrapped."""
    if type(error) in {kafka.KafkaError, RuntimeError} and error.__cause__ is not None:
        return classify(error.__cause__)
    return Failure(_status(error), _line(error))


def fail_without_access(error: BaseException) -> None:
    """End the process if the broker refuses `error` for want of a right, where any other error may pass."""
    if isinstance(error, ACCESS):
        fail("the broker refuses this process a right that it needs", error)


def fail(reason: str, error: BaseException, **fields: Any) -> NoReturn:
    """End the process because of `error`, with `reason` as the last line. A bug is logged with its traceback before
    it.
    """
    failure = classify(error)
    if failure.status is Exit.BUG:
        log.get("worker").error(reason, exc_info=error)
    halt(reason, status=failure.status, error=failure.line, **fields)


def _status(error: BaseException) -> Exit:
    if isinstance(error, StatusError):
        return error.status
    if isinstance(error, PERSON):
        return Exit.PERSON
    if isinstance(error, PASSING) or (isinstance(error, kafka.KafkaError) and error.retriable):
        return Exit.PASSING
    if isinstance(error, AssertionError) and str(error) == NO_NODE:
        return Exit.PASSING
    if isinstance(error, OSError) and error.errno in PERSON_ERRNO:
        return Exit.PERSON
    return Exit.BUG


def _line(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return validation_line(error)
    hint = next((hint for kind, hint in HINTS.items() if isinstance(error, kind)), "")
    text = (
        str(error)
        if isinstance(error, (*PERSON, *PASSING, OSError, kafka.KafkaError, StatusError)) and str(error)
        else repr(error)
    )
    text = " ".join(text.split())
    if isinstance(error, kafka.KafkaConnectionError) and text.startswith(_NO_BROKER):
        servers = ", ".join(f"[{h}]:{port}" if ":" in h else f"{h}:{port}" for h, port in _SERVER.findall(text))
        return f"no broker answers at {servers}: is it running, and is TOLLGATE_BOOTSTRAP_SERVERS right?"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{hint} ({text})" if hint else text
