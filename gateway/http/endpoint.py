"""A call that the gateway serves: what it needs, what it takes, and what it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.body import parse_object, read_body
from gateway.http.keys import Key
from gateway.parts import Parts

JSON = "application/json"
INPUT_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a header of a call, with its JSON schema."""

    name: str
    schema: Mapping[str, Any]
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What a call takes. `schema` is a JSON schema; `media_types` are those that are read, JSON when the request names
    none. A longer body than `bytes_max` is refused before it is read.
    """

    schema: Mapping[str, Any]
    media_types: tuple[str, ...] = (JSON,)
    bytes_max: int = INPUT_BYTES_MAX
    required: bool = True
    example: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One status of a call, for its description. Problems that every call may give are added to these."""

    description: str
    schema: Mapping[str, Any] | None = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True, slots=True)
class Operation:
    """The description of a call. `codes` are the problems that it gives beside those of every call."""

    operation_id: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    headers: tuple[Parameter, ...] = ()
    codes: tuple[str, ...] = ()


class Call:
    """One request of a known key, with everything that its handler needs.

    `account_id` is that of the path, empty where the path has none; it lies within the key's accounts, unless the scope
    depends on the body: then the handler checks it. `started_s` is the loop's time when the last byte of the request
    arrived, and of its headers until the body was read.
    """

    def __init__(
        self,
        request: Request,
        endpoint: "Endpoint",
        parts: Parts,
        key: Key,
        path: Mapping[str, str],
        query: Mapping[str, str],
        request_id: str,
        media_type: str,
        take: Callable[[int], None],
    ) -> None:
        self.request, self.endpoint, self.parts, self.key = request, endpoint, parts, key
        self.path, self.query, self.request_id = path, query, request_id
        self.account_id = path.get("account_id", "")
        # The one of the endpoint's media types that the request accepts best.
        self.media_type = media_type
        self._take = take
        self._body: bytes | None = None

    @property
    def started_s(self) -> float:
        received_s: float = self.request.scope["received_s"]
        return received_s

    async def body(self) -> bytes:
        """The body. Raises Problem for one that is too large, too slow or compressed."""
        if self._body is None:
            assert self.endpoint.body is not None, "an endpoint without a body reads none"
            self._body = await read_body(self.request, self.endpoint.body.bytes_max)
        return self._body

    async def json_object(self) -> dict[str, Any]:
        """The JSON object in the body. Raises Problem; duplicate keys and NaN are no JSON."""
        return parse_object(await self.body())

    def take_array(self, items: int) -> None:
        """Take the tokens of an array of `items`, less the one that every request takes. Raises Problem."""
        tokens = min(-(-items // 100), self.key.requests_per_s)
        self._take(tokens - 1)


Handler = Callable[[Call], Awaitable[Response]]
# None: any key. A function is given the path's parameters and may raise Problem, such as `no_such_path()`. Several: the
# body says which one is needed, so the handler checks the scope and after it, with `check_account`, the account.
Scope = str | tuple[str, ...] | Callable[[Mapping[str, str]], str] | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call. `path` has its parameters in braces, each a whole segment; GET also serves HEAD. A `public` call needs
    no key. `produces` are the media types that it answers with, the usual one first.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope
    operation: Operation
    query: tuple[Parameter, ...] = ()
    body: Body | None = None
    produces: tuple[str, ...] = (JSON,)
    bucket: Literal["requests", "authorize"] = "requests"
    public: bool = False
    listed: bool = True  # In the OpenAPI document.

    def scopes_for(self, path: Mapping[str, str]) -> tuple[str, ...]:
        """Any one of these is needed; none for any key."""
        scope = self.scope(path) if callable(self.scope) else self.scope
        return (scope,) if isinstance(scope, str) else scope or ()

    @property
    def checked_by_body(self) -> bool:
        """Whether the handler checks the scope and the account."""
        return isinstance(self.scope, tuple)
