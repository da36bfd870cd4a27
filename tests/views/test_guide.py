"""What the tables of the guide say is what the code does."""

from pathlib import Path

from agents.views.metrics import METRICS
from agents.views.settings import MEANING, Settings
from tests.test_readme import metric_rows, setting_rows

GUIDE = Path(__file__).parents[2].joinpath("docs/views.md").read_text(encoding="utf-8")


def rows(names: str) -> list[str]:
    return [line for line in GUIDE.splitlines() if line.startswith(f"| `{names}")]


def test_the_settings_of_the_guide_are_the_settings() -> None:
    assert rows("TOLLGATE_") == setting_rows(Settings, MEANING)


def test_the_metrics_of_the_guide_are_the_metrics() -> None:
    assert rows("tollgate_views_") == metric_rows(METRICS)
