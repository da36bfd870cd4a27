"""The types of event that a target may ask for, and the one topic that each is read from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas import alerts, invoices
from schemas.facts import Fact

ALERTS: Final = "alerts"
# Snapshots are a state and no news; payment requests hold the tokens of cards.
NOT_SENT = frozenset({"account-snapshots", "payment-requests"})


def _leaves(kind: type[Fact]) -> Iterator[type[Fact]]:
    children = kind.__subclasses__()
    if not children:
        yield kind
    for child in children:
        yield from _leaves(child)


def _tag(kind: type[Fact]) -> str:
    return str(kind.__struct_config__.tag)


def _topics() -> dict[str, str]:
    """An event on two topics (rule P19) is one notification, so it is read from one of them: from `alerts`."""
    found = {}
    for kind in _leaves(Fact):
        if not NOT_SENT.intersection(kind.topics):
            found[_tag(kind)] = ALERTS if ALERTS in kind.topics else kind.topics[0]
    return dict(sorted(found.items()))


# The topic from which each type is read.
TOPIC_OF: Mapping[str, str] = _topics()
TOPICS: tuple[str, ...] = tuple(sorted(set(TOPIC_OF.values())))
ALERT_TYPES = frozenset(_tag(kind) for kind in _leaves(alerts.Alert))
# The types that a mail is made of.
MAILED_TYPES = ALERT_TYPES | {_tag(invoices.InvoiceIssued), _tag(invoices.ReceiptIssued)}


def matching(pattern: str) -> frozenset[str]:
    """The types that `pattern` stands for: one type, or those that begin with what precedes its `*`."""
    if pattern.endswith("*"):
        return frozenset(kind for kind in TOPIC_OF if kind.startswith(pattern[:-1]))
    return frozenset({pattern} & TOPIC_OF.keys())


def resolve(patterns: Iterable[str]) -> frozenset[str]:
    """The types that any of the patterns stands for."""
    return frozenset[str]().union(*(matching(pattern) for pattern in patterns))
