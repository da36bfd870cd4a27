"""Time zones from the tzdata package, so that they are the same on every machine."""

from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

_ZONES_REMEMBERED_MAX = 1024


def is_zone(name: str) -> bool:
    return name in _names()


@lru_cache(maxsize=_ZONES_REMEMBERED_MAX)
def zone(name: str) -> ZoneInfo:
    """The zone with this IANA name, which must be one that `is_zone` accepts."""
    with resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
