"""What the tables of the guide say is what the code does."""

from pathlib import Path

from agents.views.metrics import METRICS
from agents.views.settings import MEANING, Settings
from tests.test_reference_tables import metric_rows, rows, setting_rows

GUIDE = Path(__file__).parents[2].joinpath("docs/views.md").read_text(encoding="utf-8")


def written(names: str) -> list[list[str]]:
    return [row for row in rows(GUIDE) if row[0].startswith(f"`{names}")]


def test_the_settings_of_the_guide_are_the_settings() -> None:
    assert written("TOLLGATE_") == [list(row) for row in setting_rows(Settings, MEANING)]


def test_the_metrics_of_the_guide_are_the_metrics() -> None:
    assert written("tollgate_views_") == metric_rows(METRICS)
