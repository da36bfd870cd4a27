"""Why a step of a transaction failed, by the broker's own names, and how the process must react."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from aiokafka import TopicPartition
from aiokafka.errors import AuthenticationFailedError, AuthenticationMethodNotSupported, KafkaError, for_code

from stream.fail_stop import Exit, StatusError, halt

CONCURRENT_TRANSACTIONS = 51
# Unknown topic, no leader, not leader, timed out, network, coordinator loading, coordinator not available, not the
# coordinator, too few replicas (also the answer to an old request version in place of 51), written but too few
# replicas, storage error, not attempted because another partition of the request failed.
PASSING = frozenset({3, 5, 6, 7, 13, 14, 15, 16, 19, 20, 56, 55, CONCURRENT_TRANSACTIONS})
FENCED = frozenset({47, 90})  # Invalid producer epoch; producer fenced.
# Corrupt message, message too large, record list too large, invalid timestamp, message format, compression, invalid
# record: the broker may accept another batch.
CONTENT = frozenset({2, 10, 18, 32, 43, 76, 87})
# The broker expired the idle producer id: a restarted worker gets a new one.
FORGOTTEN = frozenset({49, 59})
# Topic, group, cluster and transactional-id authorization, security disabled, authentication, delegation token; a
# policy; a transaction time-out beyond the broker's limit.
PERSON = frozenset({29, 30, 31, 53, 54, 58, 65, 44, 50})

# The rights whose lack has a code of its own.
RIGHTS = {
    29: "Write on a topic, or Read on the inputs",
    30: "Read on the consumer group",
    53: "Write on the transactional id",
}

# Names of codes that the client does not know.
_NAMES = {76: "UnsupportedCompressionType", 87: "InvalidRecord", 90: "ProducerFenced"}


class FencedError(Exception):
    """Another worker has taken this partition over: this process can no longer commit for it."""


class CommitError(StatusError):
    """A step of a transaction failed before its end was requested: nothing of it is committed.

    `step` is the request, `error` the name of the broker's error, `status` the exit status. `definite` is true when the
    broker refused the first try, so that no try can have had an effect.
    """

    def __init__(self, step: str, error: str, status: Exit, *, definite: bool = False) -> None:
        super().__init__(f"{step}: {error}")
        self.step, self.error, self.status, self.definite = step, error, status, definite


class OutcomeUnknownError(CommitError):
    """The end of a transaction was requested and not answered: the transaction may be committed or aborted."""


class ContentError(CommitError):
    """The broker refused the content of a batch. `topics` are the topics that refused; `taken` holds the offsets where
    other topics accepted their part. The transaction is still open.
    """

    def __init__(self, error: str, topics: Iterable[str], taken: Mapping[TopicPartition, int]) -> None:
        super().__init__("ProduceRequest", error, Exit.PERSON)
        self.topics, self.taken = sorted(topics), taken


def names_of(codes: Iterable[int]) -> str:
    return ", ".join(sorted(_NAMES.get(code, for_code(code).__name__) for code in codes)) or "no answer"


def raise_refused(step: str, codes: set[int], *, definite: bool = False, what: str = "") -> NoReturn:
    """Raise the error for the broker's error codes of a step. No codes: the broker did not answer.

    `what` names what the step was about, for a missing right.
    """
    if codes & FENCED:
        raise FencedError(f"{step}: {names_of(codes)}")
    error = names_of(codes)
    if codes & RIGHTS.keys():
        missing = ", ".join(RIGHTS[code] for code in sorted(codes & RIGHTS.keys()))
        error = f"missing right: {missing} ({what or 'see the names of this process'}): {error}"
    raise CommitError(step, error, _status(codes), definite=definite and bool(codes))


def raise_failed(step: str, error: KafkaError, *, what: str = "") -> NoReturn:
    """Raise the error for an error of the client. One that carries a code is an answer of the broker."""
    code = getattr(error, "errno", None)
    if isinstance(code, int):
        raise_refused(step, {code}, what=what)
    refused = isinstance(error, AuthenticationFailedError | AuthenticationMethodNotSupported)
    raise CommitError(step, repr(error), Exit.PERSON if refused else Exit.PASSING) from error


def _status(codes: set[int]) -> Exit:
    if codes & PERSON:
        return Exit.PERSON
    return Exit.PASSING if codes <= PASSING | FORGOTTEN else Exit.BUG


def end(error: FencedError | CommitError, process: str, **where: Any) -> NoReturn:
    """End the process: memory may be ahead of the log or behind it. `process` is `worker` or `adapter`."""
    match error:
        case FencedError():
            halt(f"another {process} has taken the partition over", status=Exit.PASSING, error=str(error), **where)
        case OutcomeUnknownError():
            halt("the outcome of a commit is not known", status=error.status, error=error.error, **where)
        case _:
            reason = "a step of a transaction failed: nothing of it is committed"
            halt(reason, status=error.status, step=error.step, error=error.error, **where)
