"""How far a stream is: the last offset of its account in each topic, and the id of an event, which says so."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from zlib import crc32

import msgspec

from gateway.log.reader import TOPICS as READ
from stream.topics import DEAD_LETTERS

# The topics that streams show. A dead letter is no event.
TOPICS = tuple(topic for topic in READ if topic != DEAD_LETTERS)
INDEX = {topic: index for index, topic in enumerate(TOPICS)}
# In place of an offset: the account has no event in the topic.
NONE = -1
ID_CHARACTERS_MAX = 256

Place = list[int]
_Offset = Annotated[int, msgspec.Meta(ge=NONE, lt=2**63 - 1)]


class _Id(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """`checksum` is the account's, so that the id of another account is not readable."""

    checksum: int
    offsets: Annotated[tuple[_Offset, ...], msgspec.Meta(min_length=len(TOPICS), max_length=len(TOPICS))]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Id)


def checksum_of(account_id: str) -> int:
    return crc32(f"events of {account_id}".encode())


def encode(checksum: int, place: Place) -> bytes:
    """The id of the event after which a stream is at `place`."""
    return urlsafe_b64encode(_encoder.encode(_Id(checksum, tuple(place)))).rstrip(b"=")


def decode(text: str, checksum: int) -> Place | None:
    """The place that an id names; None for a text that is no id of a stream of this account."""
    if len(text) > ID_CHARACTERS_MAX:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        found = _decoder.decode(urlsafe_b64decode(padded))
    except (ValueError, msgspec.MsgspecError):
        return None
    place = list(found.offsets)
    return place if found.checksum == checksum and encode(checksum, place) == text.encode() else None
