"""Where a list goes on: an opaque text that holds the last item's place and what the list was asked for."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from zlib import crc32

import msgspec

from gateway.http.problem import Problem, wrong_parameter

_Place = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Asked(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What narrows a list: times in ms, `from_ms` inclusive and `to_ms` exclusive, the type of event, and, of accounts,
    the billing e-mail.
    """

    from_ms: _Place | None = None
    to_ms: _Place | None = None
    type: str | None = None
    billing_email: str | None = None

    @property
    def takes_all(self) -> bool:
        return self == EVERYTHING


EVERYTHING = Asked()


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`place` and `name` are the last item's: an offset of the log, or the time and id of a call, or an account's id.
    `checksum` is that of the list, so that a cursor of another list is refused.
    """

    checksum: int
    place: _Place
    name: str = ""
    asked: Asked = EVERYTHING


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Cursor)


def checksum_of(*names: str) -> int:
    return crc32("\n".join(names).encode())


def encode(cursor: Cursor) -> str:
    return urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode()


def decode(text: str, checksum: int) -> Cursor:
    """Raises Problem `schema_invalid` for anything that is no cursor of this list."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = _decoder.decode(urlsafe_b64decode(padded))
    except (ValueError, msgspec.MsgspecError) as error:
        raise _unreadable() from error
    if cursor.checksum != checksum or encode(cursor) != text:
        raise _unreadable()
    return cursor


def _unreadable() -> Problem:
    return wrong_parameter("cursor", "This is no cursor of this list: leave it out to begin at the first item.")
