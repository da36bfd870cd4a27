"""The plan catalogue: plans are data, checked when they are loaded, and an error names the file and the key."""

from pathlib import Path

import pytest

from schemas.currencies import CatalogueError
from schemas.plan import CreditsPlan, MinutesPlan, catalogue_from, load_catalogue

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


def load_catalogue_of(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]  # Catalogue, or raises CatalogueError
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


EUROS = """
[plans.free.currencies.EUR]
extra_call_micros = 2_500_000
live_agent_micros = 2_500_000
appointment_booking_micros = 2_500_000
cap_micros = 5_000_000
"""
YEN_OF_DENTAL = """
[plans.dental.currencies.JPY]
monthly_price_micros = 14_900_000_000
inbound_micros = 16_500_000
outbound_micros = 16_500_000
web_micros = 12_000_000
"""


def test_k01_a_plan_is_priced_in_several_currencies(tmp_path: Path) -> None:
    free = load_catalogue_of(tmp_path, "[plans.free]\nalert_thresholds_micros = [5_000_000]\n" + EUROS).plans["free"]
    assert isinstance(free, CreditsPlan)
    assert free.priced_in("USD") is free
    assert free.priced_in("JPY") is None
    euros = free.priced_in("EUR")
    assert isinstance(euros, CreditsPlan)
    assert (euros.currency, euros.extra_call_micros, euros.cap_micros) == ("EUR", 2_500_000, 5_000_000)
    # What is no money is the same; what overrides the dollar's levels does not override the euro's.
    assert (euros.included_calls, euros.display_name) == (25, "Pay as you go")
    assert (free.alert_thresholds_micros, euros.alert_thresholds_micros) == ((5_000_000,), (10_000_000, 0))


def test_k01_what_follows_from_the_currency_need_not_be_given(tmp_path: Path) -> None:
    dental = load_catalogue_of(tmp_path, "[plans.dental]\n" + YEN_OF_DENTAL).plans["dental"].priced_in("JPY")
    assert isinstance(dental, MinutesPlan)
    assert dental.charge_quantum_micros == 1_000_000
    assert dental.card_overage_threshold_micros == 1_000_000_000
    assert (dental.alert_thresholds_micros, dental.refill_threshold_micros) == ((1_000_000_000, 0), 1_000_000_000)
    assert (dental.fee_micros, dental.included_minutes) == (14_900_000_000, 300)
    # The step of a three-digit currency is greater than its minor unit.
    text = "[plans.free]\n" + EUROS.replace("EUR", "KWD")
    kwd = load_catalogue_of(tmp_path, text).plans["free"].priced_in("KWD")
    assert kwd is not None
    assert kwd.charge_quantum_micros == 10_000


def test_k01_a_plan_may_have_another_currency_of_its_own(tmp_path: Path) -> None:
    prices = YEN_OF_DENTAL.replace("[plans.dental.currencies.JPY]", '[plans.dental]\ncurrency = "JPY"')
    dental = load_catalogue_of(tmp_path, prices).plans["dental"]
    assert (dental.currency, dental.monthly_price_micros) == ("JPY", 14_900_000_000)
    # Its prices in dollars may be given as well: they then have the shipped defaults.
    dollars = load_catalogue_of(tmp_path, prices + "[plans.dental.currencies.USD]").plans["dental"].priced_in("USD")
    assert dollars is not None
    assert dollars.monthly_price_micros == 99_000_000


KWD_STEP = "[plans.dental.currencies.KWD]\nmonthly_price_micros = 1_005_000\n" + "".join(
    f"{rate}_micros = 1_000\n" for rate in ("inbound", "outbound", "web")
)


# What is written -> what the message names. Rules K1 and K4.
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[plans.free]" + EUROS.replace("cap_micros", "#"), "plans.free.currencies.EUR.cap_micros: missing"),
        ('[plans.free]\ncurrency = "EUR"', "plans.free.extra_call_micros: missing"),
        ('[plans.dental]\ncurrency = "EUR"', "plans.dental.monthly_price_micros: missing"),
        ("[plans.free]" + EUROS.replace("EUR", "USD"), "plans.free.currencies.USD"),
        ("[plans.free]" + EUROS.replace("EUR", "XXX"), "plans.free.currencies.XXX"),
        ('[plans.free]\ncurrency = "usd"', "plans.free.currency"),
        ("[plans.free]\ncurrency = 3", "plans.free.currency"),
        ("[plans.free]" + EUROS + "included_calls = 3", "plans.free.currencies.EUR.included_calls"),
        ("[plans.free]" + EUROS + "inbound_micros = 3", "plans.free.currencies.EUR.inbound_micros"),
        ("[plans.free]\ncurrencies = 3", "plans.free.currencies"),
        ("[plans.free.currencies]\nEUR = 3", "plans.free.currencies.EUR"),
        ("[plans.free]\nmonthly_price_micros = 1_000_000", "plans.free.monthly_price_micros"),
        ("[plans.free]\nextra_call_micros = 3_005_000", "plans.free.extra_call_micros"),
        ("[plans.free]\ncap_micros = 6_005_000", "plans.free.cap_micros"),
        ("[plans.free]\ncharge_quantum_micros = 4_000_000", "plans.free.extra_call_micros"),
        ("[plans.free]" + EUROS.replace("= 5_000_000", "= 5_000_001"), "plans.free.currencies.EUR.cap_micros"),
        ("[plans.dental]\nmonthly_price_micros = 99_005_000", "plans.dental.monthly_price_micros"),
        ("[plans.dental]\nmonthly_price_micros = 1_000_000_000_000", "plans.dental.monthly_price_micros"),
        (
            '[plans.dental]\ninterval = "year"\nmonthly_price_micros = 83_333_340_000',
            "plans.dental.monthly_price_micros",
        ),
        ("[plans.dental]\n" + KWD_STEP, "plans.dental.currencies.KWD.monthly_price_micros"),
        ("[plans.free]\nrefill_threshold_micros = 1", "plans.free.refill_threshold_micros"),
        ("[plans.free]\nalert_thresholds_micros = [0, 5_000]", "plans.free.alert_thresholds_micros[1]"),
        ("[plans.free]" + EUROS + "refill_threshold_micros = 1", "plans.free.currencies.EUR.refill_threshold_micros"),
    ],
    ids=repr,
)
def test_k01_prices_that_could_not_be_charged_are_refused(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(CatalogueError) as error:
        load(tmp_path, text)
    assert str(tmp_path / "plans.toml") in str(error.value)
    assert names in str(error.value)


# A yearly fee is judged as a whole, and a threshold may be negative.
def test_k01_k04_what_can_be_charged_is_not_refused(tmp_path: Path) -> None:
    text = '[plans.dental]\ninterval = "year"\nmonthly_price_micros = 83_333_330_000\nrefill_threshold_micros = -10_000'
    dental = load_catalogue_of(tmp_path, text).plans["dental"]
    assert (dental.fee_micros, dental.refill_threshold_micros) == (999_999_960_000, -10_000)
    twelfths = '[plans.dental]\ninterval = "year"\nmonthly_price_micros = 2_500'
    assert load_catalogue_of(tmp_path, twelfths).plans["dental"].fee_micros == 30_000


# B9: the number shown of invoice 7 of account `a-1`, None where the catalogue is refused.
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{account}-{number:04}", "a-1-0007"),
        ("{account}-{number}", "a-1-7"),
        ("R {number:09}/{account}!", "R 000000007/a-1!"),
        ("{account}é_9{number:01}", "a-1é_97"),
        ("{account}{number}", None),
        ("{account}x9é{number}", None),
        ("{account}-", None),
        ("{number}", None),
        ("{account}-{account}-{number}", None),
        ("{account}-{number}-{number:04}", None),
        ("{account}-{number:4}", None),
        ("{account}-{number:00}", None),
        ("{account}-{number:010}", None),
        ("{account}-{number:0}", None),
        ("{account}-{number:04d}", None),
        ("{account!r}-{number}", None),
        ("{account}-{number}-{year}", None),
        ("{{account}}-{number}", None),
        ("{account}-{number}\\n", None),
        ("{account}-{number}\\u0007", None),
        ("", None),
    ],
)
def test_b09_the_format_of_invoice_numbers(tmp_path: Path, text: str, shown: str | None) -> None:
    catalogue = f'invoice_number_format = "{text}"\n[plans.free]'
    if shown is None:
        with pytest.raises(CatalogueError, match=r"plans\.toml: invoice_number_format"):
            load(tmp_path, catalogue)
    else:
        assert load_catalogue_of(tmp_path, catalogue).invoice_number.shown("a-1", 7) == shown


def test_b09_the_shipped_format() -> None:
    assert SHIPPED.invoice_number.shown("acme", 12) == "acme-0012"


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
        ("[plans.free]\nalert_thresholds_micros = [0, -1]", "plans.free.alert_thresholds_micros"),
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
    with pytest.raises(CatalogueError) as error:
        load(tmp_path, text)
    assert names in str(error.value)
    assert str(tmp_path / "plans.toml") in str(error.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match="binary"):
        load_catalogue(tmp_path / "binary.toml")


def test_a_catalogue_from_a_table_says_where_it_came_from() -> None:
    with pytest.raises(CatalogueError, match=r"over there: plans\.a\.cap_micros"):
        catalogue_from({"plans": {"a": {"family": "credits", "cap_micros": -1}}}, "over there")
