"""What the broker answers when a topic cannot be created, and whether waiting helps."""

import pytest

from stream.fail_stop import Exit
from stream.failures import classify
from stream.settings import Settings
from stream.topics import creation_error

FENCED = "Unable to replicate the partition 1 time(s): All brokers are currently fenced."
TOO_FEW = (
    "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 "
    "broker(s) are registered."
)


# The broker's code and message, in words of Kafka 4.1.
@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        (38, FENCED, Exit.PASSING),
        (38, TOO_FEW, Exit.PERSON),
        (7, "", Exit.PASSING),
        (29, "", Exit.PERSON),
    ],
    ids=["all brokers are fenced for a moment", "too few brokers", "no answer in time", "no right"],
)
def test_a_topic_that_cannot_be_created(code: int, message: str, status: Exit) -> None:
    error = creation_error(Settings(), "charges", code, message)
    assert classify(error).status == status
    assert "charges" in str(error)
