"""Finds the calls of a path.

A path is split before it is decoded, so that an encoded slash stays in its segment.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from gateway.http.endpoint import Endpoint


def segments_of(raw_path: bytes) -> tuple[str, ...] | None:
    """The decoded segments of a path as it was sent; None when it is no path, or not UTF-8."""
    if not raw_path.startswith(b"/"):
        return None
    try:
        return tuple(unquote_to_bytes(part).decode("utf-8") for part in raw_path[1:].split(b"/"))
    except UnicodeDecodeError:
        return None


class Route:
    """The calls that share a path, by method."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.parts = tuple(template[1:].split("/"))
        self.calls: dict[str, Endpoint] = {}
        self.literals = tuple(not part.startswith("{") for part in self.parts)

    def parameters(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The parameters in `segments`, None when they are another path. A parameter is never empty."""
        found = {}
        for part, literal, segment in zip(self.parts, self.literals, segments, strict=True):
            if literal:
                if part != segment:
                    return None
            elif not segment:
                return None
            else:
                found[part[1:-1]] = segment
        return found

    @property
    def allowed(self) -> str:
        methods = {*self.calls, "HEAD"} if "GET" in self.calls else set(self.calls)
        return ", ".join(sorted(methods))

    def call(self, method: str) -> Endpoint | None:
        return self.calls.get("GET" if method == "HEAD" else method)

    @property
    def public(self) -> bool:
        return all(call.public for call in self.calls.values())


class Routes:
    """All paths. Of two that fit, the one with the earlier literal segment is meant: `…/charges` before `…/{type}`."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        routes: dict[str, Route] = {}
        for endpoint in endpoints:
            route = routes.setdefault(endpoint.path, Route(endpoint.path))
            assert endpoint.method not in route.calls, f"{endpoint.method} {endpoint.path} is served twice"
            route.calls[endpoint.method] = endpoint
        self._by_length: dict[int, list[Route]] = {}
        for route in sorted(routes.values(), key=lambda route: route.literals, reverse=True):
            self._by_length.setdefault(len(route.parts), []).append(route)

    def find(self, raw_path: bytes) -> tuple[Route, Mapping[str, str]] | None:
        """The path's calls and its parameters."""
        segments = segments_of(raw_path)
        if segments is None:
            return None
        for route in self._by_length.get(len(segments), ()):
            parameters = route.parameters(segments)
            if parameters is not None:
                return route, parameters
        return None
