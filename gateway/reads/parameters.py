"""Reads the query of a list: `limit`, `cursor`, `from`, `to` and `type`."""

from collections.abc import Collection, Mapping

from gateway.http.problem import wrong_parameter
from gateway.reads.cursor import Asked, Cursor, decode
from schemas.instant import parse_instant

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
_NUMBER_DIGITS_MAX = 16

Query = Mapping[str, str]


def limit_of(query: Query) -> int:
    limit = number_of(query, "limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise wrong_parameter("limit", f"It must be from 1 to {LIMIT_MAX}.")
    return limit


def number_of(query: Query, name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS_MAX):
        raise wrong_parameter(name, "It must be a number in decimal digits.")
    return int(text)


def cursor_of(query: Query, checksum: int) -> Cursor | None:
    """None at the beginning of a list. A cursor holds what the list was asked for, so only `limit` stands beside
    it.
    """
    if "cursor" not in query:
        return None
    for name in query:
        if name not in {"cursor", "limit"}:
            raise wrong_parameter(name, "Leave it out beside `cursor`, which holds it.")
    return decode(query["cursor"], checksum)


def asked_of(query: Query, types: Collection[str] = ()) -> Asked:
    if "type" in query and query["type"] not in types:
        raise wrong_parameter("type", f"It must be one of {', '.join(types)}.")
    return Asked(_instant_of(query, "from"), _instant_of(query, "to"), query.get("type"))


def _instant_of(query: Query, name: str) -> int | None:
    if name not in query:
        return None
    try:
        return int(parse_instant(query[name]))
    except ValueError as error:
        raise wrong_parameter(name, f"This is no time: {error}.") from None
