"""What was measured: each figure with its repeats, its target and whether it holds; as a table and as JSON."""

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

from stream.kafka_jars import KAFKA_HOME


@dataclass(frozen=True, slots=True)
class Figure:
    """`values` are the repeats, `value` their median. `at_least` and `at_most` are targets, None without one."""

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
        """Whether the median meets the target; None without one."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {shown(self.at_least)}"
        return "" if self.at_most is None else f"≤ {shown(self.at_most)}"


def shown(value: float) -> str:
    """Three digits that matter, thousands set apart."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed."""
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
    """What the figures depend on. Cores are those this process sees."""
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
    jars = [jar.stem for jar in (KAFKA_HOME / "libs").glob("kafka_2.13-*.jar")]
    return jars[0].removeprefix("kafka_2.13-") if jars else "unknown"


def table(figures: Iterable[Figure], title: str) -> Table:
    """One row a figure; the repeats beside the median show how far the machine can be trusted."""
    made = Table(title=title, title_justify="left")
    for heading in ("", "figure", "median", "unit", "target", "holds", "repeats"):
        made.add_column(heading, justify="right" if heading in {"median", "target"} else "left", overflow="fold")
    before = ""
    for figure in figures:
        holds = {True: "yes", False: "NO", None: ""}[figure.holds]
        repeats = "  ".join(map(shown, figure.values)) if len(figure.values) > 1 else ""
        section = figure.section if figure.section != before else ""
        made.add_row(section, figure.name, shown(figure.value), figure.unit, figure.target, holds, repeats)
        before = figure.section
    return made


def as_json(figures: Iterable[Figure]) -> str:
    rows = [asdict(figure) | {"value": figure.value, "holds": figure.holds} for figure in figures]
    return json.dumps({"machine": machine(), "figures": rows}, indent=1)
