"""K2: what a card can be charged in each currency, and a file that replaces entries."""

from pathlib import Path

import pytest

from schemas.currencies import CatalogueError, Currency, load_currencies
from schemas.plan import load_catalogue

SHIPPED = load_currencies()

# ISO 4217: currencies without a minor unit, and those with three digits. All others have two.
NO_DIGITS = [
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
    *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
]
THREE_DIGITS = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]


def load(tmp_path: Path, text: str) -> dict[str, Currency]:
    path = tmp_path / "currencies.toml"
    path.write_text(text, encoding="utf-8")
    return load_currencies(path)


def test_k02_the_shipped_currencies_have_the_digits_of_iso_4217() -> None:
    assert sorted(code for code, currency in SHIPPED.items() if currency.minor_units == 0) == NO_DIGITS
    assert sorted(code for code, currency in SHIPPED.items() if currency.minor_units == 3) == THREE_DIGITS
    assert len(SHIPPED) == 155
    # Funds, metals and test codes are legal tender nowhere.
    assert not SHIPPED.keys() & {"XXX", "XTS", "XAU", "XDR", "CHE", "CLF", "UYW", "USN"}


# code -> least, greatest, step and low balance in micros
@pytest.mark.parametrize(
    ("code", "least", "greatest", "step", "low"),
    [
        ("USD", 500_000, 999_999_990_000, 10_000, 10_000_000),
        ("EUR", 500_000, 999_999_990_000, 10_000, 10_000_000),
        ("GBP", 300_000, 999_999_990_000, 10_000, 10_000_000),
        ("CHF", 10_000, 999_999_990_000, 10_000, 10_000_000),
        ("JPY", 50_000_000, 99_999_999_000_000, 1_000_000, 1_000_000_000),
        ("KRW", 1_000_000, 99_999_999_000_000, 1_000_000, 1_000_000_000),
        ("KWD", 1_000, 99_999_999_000, 10_000, 1_000_000),
    ],
)
def test_k02_the_limits_of_a_charge(code: str, least: int, greatest: int, step: int, low: int) -> None:
    currency = SHIPPED[code]
    assert (currency.least_micros, currency.greatest_micros) == (least, greatest)
    assert (currency.step_micros, currency.low_balance_micros) == (step, low)


# currency, micros -> what of it can be requested now
@pytest.mark.parametrize(
    ("code", "micros", "payable"),
    [
        ("USD", 500_000, 500_000),
        ("USD", 499_999, 0),
        ("USD", 10_000, 0),
        ("USD", 0, 0),
        ("USD", -20_000_000, 0),
        ("USD", 1_239_999, 1_230_000),
        ("USD", 999_999_990_000, 999_999_990_000),
        ("USD", 1_000_000_000_000, 999_999_990_000),
        ("JPY", 49_000_000, 0),
        ("JPY", 50_999_999, 50_000_000),
        ("KWD", 1_000, 0),  # the least charge is no multiple of the step
        ("KWD", 5_125_000, 5_120_000),
        ("KWD", 10**12, 99_999_990_000),
    ],
)
def test_g13_the_payable_part_of_an_amount(code: str, micros: int, payable: int) -> None:
    currency = SHIPPED[code]
    assert currency.payable_micros(micros) == payable
    assert currency.is_payable(micros) == (micros == payable > 0)


def test_k02_a_file_replaces_entries_and_adds_some(tmp_path: Path) -> None:
    text = "[USD]\nleast_micros = 1_000_000\n[JPY]\nminor_units = 0\n[XTS]\nminor_units = 3\ngreatest_micros = 7_000\n"
    with pytest.raises(CatalogueError, match=r"XTS: no amount can be charged"):
        load(tmp_path, text)
    currencies = load(tmp_path, text.replace("7_000", "70_000"))
    assert currencies["USD"] == Currency("USD", 2, 1_000_000, 999_999_990_000, 1, 10_000_000)
    # The entry is replaced as a whole: its least charge is the default again.
    assert currencies["JPY"].least_micros == 1_000_000
    assert currencies["XTS"] == Currency("XTS", 3, 1_000, 70_000, 10, 1_000_000)
    assert currencies["EUR"] == SHIPPED["EUR"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[usd]\nminor_units = 2", "usd"),
        ("[EURO]\nminor_units = 2", "EURO"),
        ("[XTS]", "XTS"),
        ("XTS = 2", "XTS"),
        ("USD = 2", "USD"),
        ("[USD]\nminor_units = 7", "USD.minor_units"),
        ('[USD]\nminor_units = "2"', "USD.minor_units"),
        ("[USD]\nleast_micros = 0", "USD.least_micros"),
        ("[USD]\ngreatest_micros = 9_000_000_000_000_000", "USD.greatest_micros"),
        ("[USD]\nstep_minor = 0", "USD.step_minor"),
        ("[USD]\nlow_balance_micros = 1_000_001", "USD.low_balance_micros"),
        ("[USD]\nsymbol = 1", "symbol"),
        ("[USD]\nleast_micros = 20\ngreatest_micros = 10", "USD"),
        ("[USD", "TOML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(CatalogueError) as error:
        load(tmp_path, text)
    assert names in str(error.value)
    assert str(tmp_path / "currencies.toml") in str(error.value)


def test_the_catalogue_carries_them(tmp_path: Path) -> None:
    path = tmp_path / "currencies.toml"
    path.write_text("[USD]\nlow_balance_micros = 7_000_000", encoding="utf-8")
    catalogue = load_catalogue(None, path)
    free = catalogue.plans["free"]
    assert catalogue.currency("USD").low_balance_micros == 7_000_000
    assert (free.alert_thresholds_micros, free.refill_threshold_micros) == ((7_000_000, 0), 7_000_000)
    # An account may have been opened in a currency that nobody checked.
    assert load_catalogue().currency("XTS") == Currency("XTS", 2, 10_000, 999_999_990_000, 1, 10_000_000)
