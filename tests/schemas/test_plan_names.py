"""The names that a catalogue may give its plans, and the least threshold of overage."""

from pathlib import Path

import pytest

from schemas.currencies import CatalogueError
from schemas.plan import Catalogue, MinutesPlan, load_catalogue


def load(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "plans.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


@pytest.mark.parametrize("name", ["2024-pro", "_trial", "-x", "Free", "a.b", "x" * 64])
def test_a_plan_may_have_any_bare_key_as_its_name(tmp_path: Path, name: str) -> None:
    assert list(load(tmp_path, f'[plans."{name}"]\nfamily = "minutes"').plans) == [name]


@pytest.mark.parametrize("name", ["a/b", "Pro Plus", ".a", "", "é", "x" * 65])
def test_a_plans_name_is_part_of_a_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError):
        load(tmp_path, f'[plans."{name}"]\nfamily = "minutes"')


# B10: below the least charge, overage is requested once that is reached; 0 is below every one.
def test_the_threshold_of_overage_may_be_0(tmp_path: Path) -> None:
    plan = load(tmp_path, "[plans.dental]\ncard_overage_threshold_micros = 0").plans["dental"]
    assert isinstance(plan, MinutesPlan)
    assert plan.card_overage_threshold_micros == 0
