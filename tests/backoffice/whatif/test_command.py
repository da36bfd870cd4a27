"""`tollgate whatif`: input, output and errors."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.backoffice.whatif.compared import log, subscriber, talk
from tests.rules.story import BOTH, Story, opened
from tollgate import app


def whatif(inputs: bytes, *options: str) -> Result:
    return CliRunner().invoke(app, ["whatif", "-", *options], input=inputs)


def rows(inputs: bytes, *options: str) -> list[dict[str, Any]]:
    result = whatif(inputs, "--json", *options)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def squeezed(result: Result) -> list[str]:
    """The lines of the output, with one space between columns."""
    assert result.exit_code == 0, result.stderr
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def account(account_id: str, plan: str = "free", **fields: str) -> Story:
    return Story(account_id).opens(plan, **fields)


FORTY = opened("extra_calls", credit=100).calls(40, seconds=180)


def test_a_table_for_each_account() -> None:
    result = whatif(log(FORTY), "--plans", "free,professional,dental")
    assert squeezed(result) == [
        "Account acme, now on free: 40 calls, 120 min, $45.00 charged for calls",
        "1 period, 2026-01-01 until 2026-02-01 (UTC)",
        "plan calls minutes included used subscription for calls total difference",
        "─" * len(result.stdout.splitlines()[3].rstrip()),
        "free (now) 40 - 25 of 25 calls $0.00 $45.00 $45.00 $0.00 cheapest",
        "professional 40 120 100 of 100 min $49.00 $2.20 $51.20 +$6.20",
        "dental 40 120 120 of 300 min $99.00 $0.00 $99.00 +$54.00",
        "",
        "Only calls that were answered, real and not redirected count.",
        "On free, extra calls and every feature that a call used count as switched on and paid for.",
        (
            "A subscription costs its monthly price in each period, from the period of the first call to that of the"
            " last. Taxes and phone numbers are left out."
        ),
    ]
    assert result.stderr == ""


def test_several_periods_are_shown_one_by_one() -> None:
    story = talk(talk(opened(), 7200).waits("2026-02-10T00:00:00Z"), 60, used=BOTH)
    shown = squeezed(whatif(log(story), "--plans", "free,professional"))
    assert "2 periods, 2026-01-01 until 2026-03-01 (UTC)" in shown
    assert "professional 2 121 101 of 200 min $98.00 $2.20 $100.20 +$94.20" in shown
    assert "2026-01-01 1 $0.00 $51.20 free" in shown
    assert "2026-02-01 1 $6.00 $49.00 free" in shown


# G12: an account is compared on the plans that have prices in its currency.
def test_a_total_over_several_accounts_currencies_apart(tmp_path: Path) -> None:
    catalogue = tmp_path / "plans.toml"
    catalogue.write_text(
        "[plans.free]\n[plans.dental]\n[plans.professional.currencies.EUR]\nmonthly_price_micros = 45_000_000\n"
        "inbound_micros = 100_000\noutbound_micros = 100_000\nweb_micros = 70_000\n",
        encoding="utf-8",
    )
    inputs = log(
        talk(account("a", "dental"), 7200),
        talk(account("b"), 60, used=BOTH),
        talk(account("c", "professional", currency="EUR"), 7200),
    )
    given = ["--catalogue", str(catalogue), "--plans", "free,professional"]
    shown = squeezed(whatif(inputs, *given))
    assert "All 2 accounts in USD: 2 calls, 121 min, $0.00 charged for calls" in shown
    # 99 + 6 now; 51.20 + 49 on professional.
    assert "professional 2 121 101 of 200 min $98.00 $2.20 $100.20 -$4.80" in shown
    assert "professional (now) 1 120 100 of 100 min 45.00 EUR 2.00 EUR 47.00 EUR 0.00 EUR cheapest" in shown
    assert not any("in EUR" in line or ("EUR" in line and line.startswith("free")) for line in shown)
    assert [row["plan"] for row in rows(inputs, *given) if row["currency"] == "EUR"] == ["professional"]
    # No plan that is asked for has prices in euros.
    other = rows(inputs, "--catalogue", str(catalogue), "--plans", "free")
    assert {row["currency"] for row in other} == {"USD"}
    assert whatif(inputs, "--catalogue", str(catalogue), "--plans", "free").exit_code == 0


# FORTY on professional: 120 minutes, 20 of them beyond the pool.
ON_PROFESSIONAL = {
    "calls": 40,
    "included_calls": 0,
    "rated_ms": 7_200_000,
    "included_ms": 6_000_000,
    "subscription_micros": 49_000_000,
    "calls_micros": 2_200_000,
    "total_micros": 51_200_000,
}


def test_one_json_object_a_line() -> None:
    (line,) = rows(log(FORTY), "--plans", "professional")
    assert line == {
        "type": "account",
        "account_id": "acme",
        "time_zone": "UTC",
        "now": False,
        "plan": "professional",
        "currency": "USD",
        "billable_ms": 7_200_000,
        **ON_PROFESSIONAL,
        "difference_micros": 6_200_000,
        "cheapest": True,
        "interval": "month",
        "assumed_on": [],
        "charged_micros": 45_000_000,
        "redirected_calls": 0,
        "periods": [
            {"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z", **ON_PROFESSIONAL},
        ],
    }


def test_a_total_is_a_line_too() -> None:
    lines = rows(log(FORTY, talk(account("b", "professional"), 60)), "--plans", "professional")
    assert [(line["type"], line.get("account_id")) for line in lines] == [
        ("account", "acme"),
        ("account", "b"),
        ("total", None),
    ]
    total = lines[2]
    assert (total["accounts"], total["total_micros"]) == (2, 100_200_000)
    assert total["difference_micros"] == 6_200_000  # 45 + 49 now


def test_each_line_carries_the_assumptions() -> None:
    assert [(row["plan"], row["assumed_on"]) for row in rows(log(FORTY), "--plans", "dental,free")] == [
        ("dental", []),
        ("free", ["appointment_booking", "extra_calls", "live_agent"]),
    ]


def test_all_plans_of_the_catalogue_when_none_is_named() -> None:
    assert [row["plan"] for row in rows(log(FORTY))] == ["free", "professional", "dental", "real_estate"]


# The difference is to the account's current plan, also when `--plans` does not include it.
def test_the_current_plan_need_not_be_named() -> None:
    (row,) = rows(log(talk(subscriber("dental"), 60)), "--plans", "professional")
    assert (row["now"], row["difference_micros"]) == (False, -50_000_000)


def test_plans_that_are_equally_cheap_are_all_marked() -> None:
    cheapest = [row["cheapest"] for row in rows(log(FORTY), "--plans", "dental, real_estate")]
    assert cheapest == [True, True]


@pytest.mark.parametrize("named", ["gold", "free,gold", "free,", ""])
def test_a_plan_that_the_catalogue_does_not_have(named: str) -> None:
    result = whatif(log(FORTY), "--plans", named)
    assert (result.exit_code, result.stdout) == (2, "")
    wrong = named.rpartition(",")[2]
    assert result.stderr == (
        f"whatif: no plan is named `{wrong}`: expected one of `free`, `professional`, `dental`, `real_estate`\n"
    )


def test_another_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text('[plans.free]\n[plans.basic]\nfamily = "minutes"\nincluded_minutes = 0\nmonthly_price_micros = 0\n')
    lines = rows(log(FORTY), "--catalogue", str(path))
    assert [(row["plan"], row["total_micros"]) for row in lines] == [("free", 45_000_000), ("basic", 13_200_000)]
    path.write_text("[plans.free]\nincluded_calls = -1\n")
    result = whatif(log(FORTY), "--catalogue", str(path))
    assert result.exit_code == 2
    assert "plans.free.included_calls" in result.stderr


def test_only_some_accounts() -> None:
    inputs = log(account("a"), account("b"), account("c"))
    one = rows(inputs, "--account", "b", "--plans", "free")
    assert [row.get("account_id") for row in one] == ["b"]
    two = rows(inputs, "--account", "c", "--account", "a", "--plans", "free")
    assert [(row["type"], row.get("account_id")) for row in two] == [
        ("account", "a"),
        ("account", "c"),
        ("total", None),
    ]


def test_an_account_that_is_not_there() -> None:
    result = whatif(log(FORTY), "--account", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "whatif: no `account-opened` in the inputs opens account `nobody`\n"


# Unreadable lines and inputs that the rules refuse are reported with their line numbers; blank lines are skipped.
def test_rejected_lines_are_reported_and_skipped() -> None:
    first, *others = log(FORTY).splitlines(keepends=True)
    inputs = b"{\n" + first + b"\n" + first.replace(b'"i1"', b'"i1b"') + b'{"type": "x"}\n' + b"".join(others)
    result = whatif(inputs, "--plans", "free")
    assert [line.rsplit(":", 1)[0] for line in result.stderr.splitlines()] == [
        "whatif: line 1 was skipped: malformed_json: not JSON",
        "whatif: line 4 was skipped: account_exists",
        "whatif: line 5 was skipped: unknown_type",
    ]
    assert "free (now) 40 - 25 of 25 calls $0.00 $45.00 $45.00 $0.00 cheapest" in squeezed(result)


def test_the_number_of_redirected_calls_is_shown() -> None:
    shown = squeezed(whatif(log(opened().calls(26)), "--plans", "free"))
    assert (
        shown[0]
        == "Account acme, now on free: 25 calls, 25 min, $0.00 charged for calls; 1 redirected call in no figure"
    )


def test_no_account_at_all() -> None:
    assert squeezed(whatif(b"")) == ["No `account-opened` in the inputs opens an account."]
    assert rows(b"") == []


def test_a_file_is_read_like_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "EVENTS.jsonl"
    path.write_bytes(log(FORTY))
    assert CliRunner().invoke(app, ["whatif", str(path)]).stdout == whatif(log(FORTY)).stdout
    missing = CliRunner().invoke(app, ["whatif", str(tmp_path / "none")])
    assert isinstance(missing.exception, FileNotFoundError)


# Accounts come in order of their ids, whatever the order of the log.
def test_the_same_accounts_give_the_same_bytes() -> None:
    accounts = [talk(account(name), 60) for name in ("b", "a", "c")]
    assert whatif(log(*accounts)).stdout == whatif(log(*reversed(accounts))).stdout


def test_an_account_id_that_looks_like_markup_is_printed_unchanged() -> None:
    assert squeezed(whatif(log(account(":cat:")), "--plans", "free"))[0].startswith("Account :cat:, now on free")
