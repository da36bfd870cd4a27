"""Reads and parses the bodies of requests, within limits."""

import asyncio
import json
import math
from typing import Any

from starlette.requests import ClientDisconnect, Request

from gateway.http.problem import Problem

BODY_WITHIN_S = 30.0


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The body. Raises Problem for one that is too large, too slow or compressed."""
    for name, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        if any(given.lower() != plain for given in request.headers.getlist(name)):
            raise Problem("unsupported_media_type", f"Send the body uncompressed, without {name}.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > bytes_max:
        raise _too_large(bytes_max)
    loop = asyncio.get_running_loop()
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                parts.append(part)
    except TimeoutError:
        raise Problem(
            "request_timeout", f"The body must arrive within {BODY_WITHIN_S:.0f} s.", headers=[("Connection", "close")]
        ) from None
    except ClientDisconnect:
        raise Problem("request_timeout", "The connection was closed before the body had arrived.") from None
    request.scope["received_s"] = request.scope.get("completed_s", loop.time())
    return b"".join(parts)


def _too_large(bytes_max: int) -> Problem:
    return Problem("too_large", f"The body may have at most {bytes_max:,} bytes.")


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; an empty body is an empty object. Raises Problem."""
    value = parse(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise Problem("not_an_object", "Send one JSON object.")
    return value


def parse(body: bytes) -> Any:
    """The JSON value in a body. Raises Problem `not_utf8` or `malformed_json`, also for duplicate keys, NaN, lone
    surrogates and numbers beyond the greatest double: readers differ about what they mean.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("not_utf8", f"Byte {error.start} of the body is not UTF-8.") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Problem("malformed_json", "A string holds half of a surrogate pair.") from None
    except json.JSONDecodeError as error:
        raise Problem("malformed_json", f"Not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise Problem("malformed_json", "Nested too deeply.") from None
    except ValueError as error:
        raise Problem("malformed_json", str(error)) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("An object has the same key twice.")
    return made


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("A number is beyond the greatest double.")
    return value
