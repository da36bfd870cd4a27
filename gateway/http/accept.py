"""Chooses a media type as a request's `Accept` header asks for."""

from gateway.http.problem import Problem


def accepted(accept: str, produces: tuple[str, ...]) -> str:
    """The one of `produces` that the header `Accept` prefers. Raises Problem `not_acceptable`."""
    ranges = [_range_of(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    ranked = [(_quality(ranges, media_type), -place) for place, media_type in enumerate(produces)]
    best, place = max(ranked)
    if best <= 0:
        raise Problem("not_acceptable", f"This call answers with {' or '.join(produces)}.")
    return produces[-place]


def _range_of(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(ranges: list[tuple[str, float]], media_type: str) -> float:
    """The quality of the most specific range that holds the media type."""
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for name, quality in ranges:
            if name == wanted:
                return quality
    return 0.0
