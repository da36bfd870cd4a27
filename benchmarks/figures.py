"""The measured figures with repeats and targets, as a table and as JSON."""

import json
import math
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import cpu_count
from pathlib import Path
from statistics import median

from rich.table import Table

from devkit.kafka_jars import ensure_jars


@dataclass(frozen=True, slots=True)
class Figure:
    """`values` are the repeats, `value` is their median. `at_least` and `at_most` are targets, None for no target."""

    section: str
    name: str
    unit: str
    values: tuple[float, ...]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {shown(self.at_least)}"
        return "" if self.at_most is None else f"≤ {shown(self.at_most)}"


def shown(value: float) -> str:
    """Three significant digits, with thousands separators."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that is not below a `share` of them."""
    assert values, "no values"
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def bucket_quantile(buckets: Iterable[tuple[float, float]], share: float) -> float:
    """The quantile of a histogram given as (upper bound, cumulative count), linear inside a bucket."""
    ordered = sorted(buckets)
    wanted = ordered[-1][1] * share
    lower, below = 0.0, 0.0
    for upper, count in ordered:
        if count >= wanted and count > below:
            return lower if math.isinf(upper) else lower + (upper - lower) * (wanted - below) / (count - below)
        lower, below = upper, count
    return lower


def machine() -> dict[str, str]:
    """The machine and software that the figures depend on."""
    return {
        "cores": str(cpu_count()),
        "processor": _processor(),
        "python": platform.python_version(),
        "kafka": _kafka_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _kafka_version() -> str:
    jars = [jar.stem for jar in ensure_jars().glob("kafka_2.13-*.jar")]
    return jars[0].removeprefix("kafka_2.13-") if jars else "unknown"


def table(figures: Iterable[Figure], title: str) -> Table:
    """One row per figure. The repeats beside the median show how noisy the machine is."""
    result = Table(title=title, title_justify="left")
    for heading in ("", "figure", "median", "unit", "target", "holds", "repeats"):
        result.add_column(heading, justify="right" if heading in {"median", "target"} else "left", overflow="fold")
    before = ""
    for figure in figures:
        holds = {True: "yes", False: "NO", None: ""}[figure.holds]
        repeats = "  ".join(map(shown, figure.values)) if len(figure.values) > 1 else ""
        section = figure.section if figure.section != before else ""
        result.add_row(section, figure.name, shown(figure.value), figure.unit, figure.target, holds, repeats)
        before = figure.section
    return result


def as_json(figures: Iterable[Figure]) -> str:
    rows = [asdict(figure) | {"value": figure.value, "holds": figure.holds} for figure in figures]
    return json.dumps({"machine": machine(), "figures": rows}, indent=1)
