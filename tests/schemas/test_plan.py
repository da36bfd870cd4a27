"""The plan catalogue: plans are data, checked when they are loaded, and an error names the file and the key."""

from pathlib import Path

import pytest

from schemas.plan import CreditsPlan, MinutesPlan, PlanError, catalogue_from, load_catalogue

SHIPPED = load_catalogue()


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "plans.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


def test_the_shipped_plans_are_the_products() -> None:
    free = SHIPPED.plans["free"]
    assert isinstance(free, CreditsPlan)
    assert (free.included_calls, free.admission, free.longest_call_ms) == (25, "available", 4 * 3_600_000)
    prices = (free.extra_call_micros, free.live_agent_micros, free.appointment_booking_micros, free.cap_micros)
    assert prices == (3_000_000, 3_000_000, 3_000_000, 6_000_000)
    assert (free.alert_thresholds_micros, free.refill_threshold_micros) == ((10_000_000, 0), 10_000_000)
    assert free.charge_quantum_micros == 10_000
    assert free.monthly_price_micros == 0


# name -> monthly price in dollars, included minutes (M1, M2)
@pytest.mark.parametrize(
    ("name", "price_usd", "minutes"), [("professional", 49, 100), ("dental", 99, 300), ("real_estate", 99, 300)]
)
def test_the_shipped_minutes_plans(name: str, price_usd: int, minutes: int) -> None:
    plan = SHIPPED.plans[name]
    assert isinstance(plan, MinutesPlan)
    assert (plan.monthly_price_micros, plan.included_minutes) == (price_usd * 1_000_000, minutes)
    assert (plan.inbound_micros, plan.outbound_micros, plan.web_micros) == (110_000, 110_000, 80_000)
    assert (plan.increment_first_s, plan.increment_next_s) == (60, 60)
    assert plan.card_overage_threshold_micros == 10_000_000


def test_the_pinned_delays() -> None:
    rules, hour_ms = SHIPPED.rules, 3_600_000
    assert rules.correction_horizon_ms == 35 * 24 * hour_ms
    assert rules.refund_window_ms == 30 * 24 * hour_ms
    assert rules.refill_retries_ms == (hour_ms, 6 * hour_ms, 24 * hour_ms)
    assert (rules.refill_unresolved_ms, rules.future_tolerance_ms) == (15 * 60_000, 5 * 60_000)
    assert rules.upgrade_hint_periods == 3
    assert SHIPPED.version == 1


# A file replaces the catalogue; a key that it leaves out takes the shipped plan's default.
def test_a_missing_key_takes_the_shipped_default(tmp_path: Path) -> None:
    catalogue = load_catalogue_of(tmp_path, '[plans.free]\nfamily = "credits"\nincluded_calls = 3\n')
    assert catalogue.version == 1
    assert list(catalogue.plans) == ["free"]
    free = catalogue.plans["free"]
    assert isinstance(free, CreditsPlan)
    assert (free.included_calls, free.extra_call_micros, free.display_name) == (3, 3_000_000, "Pay as you go")
    assert catalogue.rules == SHIPPED.rules


def load_catalogue_of(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]  # Catalogue, or raises PlanError
    return load(tmp_path, text)


def test_a_shipped_plan_may_leave_out_its_family(tmp_path: Path) -> None:
    dental = load_catalogue_of(tmp_path, "version = 4\n[plans.dental]\nincluded_minutes = 5\n").plans["dental"]
    assert isinstance(dental, MinutesPlan)
    assert (dental.included_minutes, dental.monthly_price_micros) == (5, 99_000_000)


def test_a_plan_of_another_name_takes_its_familys_defaults(tmp_path: Path) -> None:
    plan = load_catalogue_of(tmp_path, '[plans.plus]\nfamily = "minutes"\n').plans["plus"]
    assert isinstance(plan, MinutesPlan)
    assert (plan.inbound_micros, plan.included_minutes, plan.monthly_price_micros) == (110_000, 100, 0)


def test_a_plan_may_move_to_the_other_family(tmp_path: Path) -> None:
    plan = load_catalogue_of(tmp_path, '[plans.free]\nfamily = "minutes"\n').plans["free"]
    assert isinstance(plan, MinutesPlan)


def test_one_of_the_rules_may_be_changed_alone(tmp_path: Path) -> None:
    text = '[rules]\nupgrade_hint_periods = 5\n[plans.free]\nfamily = "credits"\n'
    rules = load_catalogue_of(tmp_path, text).rules
    assert (rules.upgrade_hint_periods, rules.refund_window_ms) == (5, SHIPPED.rules.refund_window_ms)


# What is written -> what the message names.
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "`plans`"),
        ("plans = 3", "`plans`"),
        ("[plans]", "`plans`"),
        ("[plans.x]", "plans.x"),
        ('[plans.x]\nfamily = "gold"', "plans.x"),
        ("plans.free = 3", "plans.free"),
        ("[plans.free]\nextra_call_micros = -1", "plans.free.extra_call_micros"),
        ("[plans.free]\nextra_call_micros = 3.0", "plans.free.extra_call_micros"),
        ('[plans.free]\nextra_call_micros = "3"', "plans.free.extra_call_micros"),
        ("[plans.free]\nextra_call_micros = true", "plans.free.extra_call_micros"),
        ("[plans.free]\nextra_call_micros = 9_000_000_000_000_000", "plans.free.extra_call_micros"),
        ("[plans.free]\nextra_call_micro = 1", "extra_call_micro"),
        ("[plans.free]\ninbound_micros = 1", "inbound_micros"),
        ('[plans.free]\nadmission = "always"', "plans.free.admission"),
        ("[plans.free]\nincluded_calls = -1", "plans.free.included_calls"),
        ("[plans.free]\nlongest_call_ms = 0", "plans.free.longest_call_ms"),
        ("[plans.free]\ncharge_quantum_micros = 0", "plans.free.charge_quantum_micros"),
        ("[plans.free]\nalert_thresholds_micros = [0, -1]", "plans.free.alert_thresholds_micros[1]"),
        ('[plans.free]\ninterval = "week"', "plans.free.interval"),
        ("[plans.dental]\nincrement_first_s = 0", "plans.dental.increment_first_s"),
        ('[plans.dental]\nfamily = "minutes"\nincluded_calls = 3', "included_calls"),
        ("version = 0\n[plans.free]", "version"),
        ('version = "1"\n[plans.free]', "version"),
        ("[rules]\ncorrection_horizon_ms = 0\n[plans.free]", "rules.correction_horizon_ms"),
        ("[rules]\nrefill_retries_ms = [0]\n[plans.free]", "rules.refill_retries_ms[0]"),
        ("[rules]\nunheard_of = 1\n[plans.free]", "unheard_of"),
        ("unheard_of = 1\n[plans.free]", "unheard_of"),
        ("[plans.free", "TOML"),
        ("[plans.free]\nx = 1\nx = 2", "TOML"),
        ('["plans"."not a name"]\nfamily = "credits"', "not a name"),
    ],
    ids=repr,
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(PlanError) as error:
        load(tmp_path, text)
    assert names in str(error.value)
    assert str(tmp_path / "plans.toml") in str(error.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        load_catalogue(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match="binary"):
        load_catalogue(tmp_path / "binary.toml")


def test_a_catalogue_from_a_table_says_where_it_came_from() -> None:
    with pytest.raises(PlanError, match=r"over there: plans\.a\.cap_micros"):
        catalogue_from({"plans": {"a": {"family": "credits", "cap_micros": -1}}}, "over there")
