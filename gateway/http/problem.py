"""Problems: every refusal of the gateway, as RFC 9457 has it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from schemas.card_number import text_holds_card_number
from stream.ops.metric_table import DEAD_LETTER_CODES

MEDIA_TYPE: Final = "application/problem+json"
# Clients that come back sooner find the same state.
RETRY_AFTER_S: Final = 1

_OWN: Mapping[str, int] = {
    "unauthorized": 401,
    "forbidden": 403,
    "invalid_signature": 401,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "request_timeout": 408,
    "unsupported_media_type": 415,
    "idempotency_mismatch": 409,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}
_DIFFERENT: Mapping[str, int] = {
    "malformed_json": 400,
    "not_utf8": 400,
    "not_an_object": 400,
    "unknown_account": 404,
    "account_exists": 409,
    "too_large": 413,
}
# The status of every code: the gateway's own ones, and those of dead letters.
STATUSES: Final[Mapping[str, int]] = {**dict.fromkeys(DEAD_LETTER_CODES, 422), **_DIFFERENT, **_OWN}
# What the framework refuses by itself.
_CODES: Mapping[int, str] = {
    400: "schema_invalid",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "too_large",
    415: "unsupported_media_type",
}


class Problem(Exception):  # noqa: N818 the name of RFC 9457
    """A refusal. `detail` says what to fix and never holds a value of the request that may hold a card number;
    `field` is the field, header or parameter that is wrong. `status` replaces the code's own: a header or a query
    parameter that is wrong is a 400 `schema_invalid`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        status: int | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.field = code, detail, field
        self.status = STATUSES[code] if status is None else status
        self.headers = tuple(headers)
        self._members = members or {}

    def document(self, request_id: str) -> dict[str, Any]:
        """The body of the answer."""
        document: dict[str, Any] = {
            "type": f"/docs/problems#{self.code}",
            "title": title_of(self.code),
            "status": self.status,
            "detail": _without_card_number(self.detail),
            "code": self.code,
        }
        if self.field is not None:
            document["field"] = _without_card_number(self.field)
        return {**document, "request_id": request_id, **self._members}

    def response(self, request_id: str) -> Response:
        return Response(orjson.dumps(self.document(request_id)), self.status, dict(self.headers), media_type=MEDIA_TYPE)


def title_of(code: str) -> str:
    return code.replace("_", " ").capitalize()


def of_status(status: int, detail: str) -> Problem:
    """The problem for a status with which the framework refuses a request."""
    return Problem(_CODES.get(status, "internal"), detail)


def wrong_parameter(name: str, detail: str) -> Problem:
    """A header or a query parameter that is unknown or wrong."""
    return Problem("schema_invalid", detail, field=name, status=400)


def lacks(scope: str) -> Problem:
    return Problem("forbidden", f"This key lacks the scope {scope}.")


def no_such_account() -> Problem:
    """The same for an account outside the key's accounts as for one that does not exist: a caller must not find out
    which accounts others have.
    """
    return Problem("not_found", "There is no such account, or this key may not see it.")


def no_such_path() -> Problem:
    return Problem("not_found", "There is nothing at this path: /docs lists what there is.")


def unavailable(detail: str, **members: Any) -> Problem:
    return Problem("unavailable", detail, headers=[("Retry-After", str(RETRY_AFTER_S))], members=members)


def _without_card_number(text: str) -> str:
    return "A value is not valid." if text_holds_card_number(text) else text
