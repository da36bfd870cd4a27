"""K and G12: an account's currency, the amounts that its inputs may give, and plans priced in several currencies.

Money in units of the account's currency.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from backoffice.replay import command
from schemas.plan import Catalogue, CreditsPlan, catalogue_from
from tests.agents.partition import Partition, facts_of, outputs_to
from tests.rules.story import SHIPPED, Story, also_in, only, plans, usd
from tests.rules.subscriber import Subscriber, paying

PRICES = {
    "extra_call_micros": usd(400),
    "live_agent_micros": usd(400),
    "appointment_booking_micros": usd(400),
    "cap_micros": usd(800),
}
MINUTES = {
    "monthly_price_micros": usd(5_000),
    "inbound_micros": usd("16.5"),
    "outbound_micros": usd("16.5"),
    "web_micros": usd(12),
}
# Dollars, yen and dinars for `pay`; `yen` is a plan in yen alone; `cheap` and `dear` are subscriptions.
WORLD = catalogue_from(
    {
        "plans": {
            "pay": {
                "family": "credits",
                "currencies": {"JPY": PRICES, "KWD": {name: micros // 1_000 for name, micros in PRICES.items()}},
            },
            "yen": {"family": "credits", "currency": "JPY", **PRICES},
            "cheap": {"family": "minutes", "monthly_price_micros": usd(40), "currencies": {"JPY": MINUTES}},
            "dear": {"family": "minutes", "monthly_price_micros": usd(90)},
        }
    }
)


def account(plan: str = "pay", **fields: Any) -> Story:
    return Story(catalogue=WORLD).opens(plan, **fields)


# K3, G12: plan, currency given -> the account's currency, or the refusal.
@pytest.mark.parametrize(
    ("plan", "given", "currency", "refusal"),
    [
        ("pay", None, "USD", None),
        ("pay", "USD", "USD", None),
        ("pay", "JPY", "JPY", None),
        ("yen", None, "JPY", None),
        ("yen", "JPY", "JPY", None),
        ("yen", "USD", None, "unsupported_currency"),
        ("pay", "EUR", None, "unsupported_currency"),
        ("pay", "XXX", None, "unsupported_currency"),
        ("gold", "XXX", None, "unknown_plan"),
    ],
)
def test_k03_g12_an_account_opens_in_a_currency_of_its_plan(
    plan: str, given: str | None, currency: str | None, refusal: str | None
) -> None:
    story = account(plan, currency=given)
    assert story.refusal() == refusal
    if currency is not None:
        assert story.snapshot()["currency"] == currency


# The example: an account in yen at dollar prices.
def test_g12_the_shipped_plans_have_prices_in_dollars_alone() -> None:
    assert Story().opens("professional", currency="JPY").refusal() == "unsupported_currency"
    assert Story().opens("professional").snapshot()["currency"] == "USD"


# K2: plan, currency -> default refill threshold and alert thresholds.
@pytest.mark.parametrize(
    ("plan", "currency", "low"),
    [("pay", "USD", "10"), ("pay", "JPY", "1000"), ("yen", "JPY", "1000"), ("pay", "KWD", "1")],
)
def test_k02_the_default_levels_are_the_currencys_low_balance(plan: str, currency: str, low: str) -> None:
    story = account(plan, currency=currency).adds_card().refills(usd_text(currency))
    assert story.snapshot()["auto_refill"]["threshold_micros"] == usd(low)
    story = account(plan, currency=currency).is_granted(usd_text(currency, 2)).is_granted(usd_text(currency, -2))
    alerts = [(fact["threshold_micros"], fact["currency"]) for fact in story.facts("balance-low")]
    assert alerts[0] == (usd(low), currency)


def usd_text(currency: str, times: int = 1) -> str:
    """Some more than the low balance of the currency, that many times."""
    return str(times * {"USD": 50, "JPY": 5_000, "KWD": 5}[currency])


# The levels of the plan at the opening stay.
def test_k02_a_plan_change_keeps_the_levels_of_the_opening() -> None:
    catalogue = plans(others={"low": msgspec.structs.replace(free(), refill_threshold_micros=usd(3))})
    story = Story(catalogue=catalogue).opens("low").says("plan-change-requested", plan="free")
    assert story.snapshot()["plan"] == "free"
    assert story.snapshot()["auto_refill"]["threshold_micros"] == usd(3)


def free() -> CreditsPlan:
    plan = SHIPPED.plans["free"]
    assert isinstance(plan, CreditsPlan)
    return plan


# K1: prices are those of the account's currency, and one charge is whole minor units of it.
def test_k01_calls_are_charged_at_the_prices_of_the_accounts_currency() -> None:
    story = account(currency="JPY").switches("extra_calls", "live_agent").is_granted(10_000)
    charge = only(story.starts("c1").ends("c1", used=["live_agent"]).answer("call-charged"))
    assert (charge["amount_micros"], charge["currency"]) == (usd(400), "JPY")
    story = Subscriber(catalogue=WORLD).subscribes("cheap", currency="JPY").adds_card()
    payment = only(story.answer("payment-requested"))
    assert (payment["amount_micros"], payment["currency"]) == (usd(5_000), "JPY")
    # 101 minutes, one beyond the pool: 16.5 yen, half up to a yen.
    charge = only(story.starts("c1").ends("c1", seconds=101 * 60).answer("call-charged"))
    assert (charge["amount_micros"], charge["receipt"]["unrounded_micros"]) == (usd(17), usd("16.5"))


# K1, G9: a call keeps the prices it started under, in its account's currency.
def test_k01_g09_a_call_keeps_the_prices_that_it_started_under() -> None:
    story = account(currency="JPY").switches("live_agent").is_granted(10_000).starts("c1")
    partition = Partition(catalogue=WORLD)
    partition.take(*story.inputs)
    dearer = changed(WORLD, "pay", "JPY", live_agent_micros=usd(600))
    upgraded = partition.restarted(msgspec.structs.replace(dearer, version=2))
    done = len(story.inputs)
    story.ends("c1", used=["live_agent"]).starts("c2").ends("c2", used=["live_agent"])
    charges = facts_of(upgraded.take(*story.inputs[done:]), "call-charged")
    assert [charge["amount_micros"] for charge in charges] == [usd(400), usd(600)]


def changed(catalogue: Catalogue, name: str, code: str, **prices: int) -> Catalogue:
    """The catalogue with other prices of a plan in a currency; without prices the plan has none in it."""
    plan = catalogue.plans[name]
    currencies = {other: priced for other, priced in plan.currencies.items() if other != code}
    if prices:
        currencies[code] = msgspec.structs.replace(plan.currencies[code], **prices)
    return msgspec.structs.replace(
        catalogue, plans={**catalogue.plans, name: msgspec.structs.replace(plan, currencies=currencies)}
    )


# What the catalogue no longer has in the currency goes on at the newest terms that it had.
def test_k03_an_account_goes_on_when_its_plan_loses_the_currency() -> None:
    story = account(currency="JPY").switches("live_agent").is_granted(10_000)
    partition = Partition(catalogue=WORLD)
    partition.take(*story.inputs)
    without = msgspec.structs.replace(changed(WORLD, "pay", "JPY"), version=2)
    done = len(story.inputs)
    story.starts("c1").ends("c1", used=["live_agent"])
    charge = only(facts_of(partition.restarted(without).take(*story.inputs[done:]), "call-charged"))
    assert (charge["amount_micros"], charge["plan_version"]) == (usd(400), 2)


# G12: a plan change is checked when it is requested. Account on `plan` in `currency`; change to -> refusal.
@pytest.mark.parametrize(
    ("plan", "currency", "wanted", "refusal"),
    [
        ("pay", "JPY", "cheap", None),
        ("pay", "JPY", "dear", "unsupported_currency"),
        ("pay", "USD", "dear", None),
        ("pay", "USD", "yen", "unsupported_currency"),
        ("yen", "JPY", "pay", None),
        ("pay", "KWD", "cheap", "unsupported_currency"),
        ("pay", "KWD", "gold", "unknown_plan"),
    ],
)
def test_g12_a_plan_change_needs_prices_in_the_accounts_currency(
    plan: str, currency: str, wanted: str, refusal: str | None
) -> None:
    story = account(plan, currency=currency).says("plan-change-requested", plan=wanted)
    assert story.refusal() == refusal
    snapshot = story.snapshot()
    assert (snapshot["plan"], snapshot["currency"]) == (plan if refusal else wanted, currency)


# K3: at the renewal the plan that the account waits for is gone, or its prices are: it stays, and the operator is told.
@pytest.mark.parametrize("gone", ["plan", "prices"])
def test_k03_a_change_that_cannot_be_made_at_the_renewal_is_dropped(gone: str) -> None:
    catalogue = also_in("EUR")
    story = paying(plan="dental", currency="EUR", catalogue=catalogue).changes_plan("professional")
    assert story.snapshot()["plan_change"]["plan"] == "professional"
    partition = Partition(catalogue=catalogue)
    partition.take(*story.inputs)
    done = len(story.inputs)
    left = dict(catalogue.plans)
    if gone == "plan":
        del left["professional"]
    else:
        left["professional"] = SHIPPED.plans["professional"]
    upgraded = partition.restarted(msgspec.structs.replace(catalogue, version=2, plans=left))
    outcome = upgraded.take(*story.ticks("2026-02-01T00:00:00Z").inputs[done:])
    assert outcome.dropped_plans == [("acme", "professional")]
    fee = [f["amount_micros"] for f in facts_of(outcome, "payment-requested") if f["purpose"] == "subscription"]
    assert fee == [usd(99)]
    snapshot = json.loads(outputs_to(outcome, "account-snapshots")[-1].value or b"")
    assert (snapshot["plan"], "plan_change" in snapshot) == ("dental", False)


def test_k03_a_change_that_can_be_made_tells_nobody() -> None:
    story = paying(plan="dental").changes_plan("professional").ticks("2026-02-01T00:00:00Z")
    assert Partition().take(*story.inputs).dropped_plans == []
    assert story.snapshot()["plan"] == "professional"


# G12, P18: the hint names plans priced in the account's currency alone.
@pytest.mark.parametrize(("currency", "named"), [("USD", ["cheap", "dear"]), ("JPY", ["cheap", "yen"])])
def test_g12_the_hint_names_plans_priced_in_the_accounts_currency(currency: str, named: list[str]) -> None:
    story = account(currency=currency).switches("extra_calls").is_granted(500_000)
    for month in (1, 2, 3):
        story.waits(f"2026-{month:02d}-10T00:00:00Z").calls(26, f"m{month}-")
    hint = only(story.facts("upgrade-suggested"))
    assert [plan["plan"] for plan in hint["other_plans"]] == named
    assert hint["currency"] == currency


# K1: `replay` refuses a catalogue that could not be charged.
@pytest.mark.parametrize(
    "files",
    [
        {"plans": "[plans.free]\nmonthly_price_micros = 1_000_000\n"},
        {"plans": '[plans.free]\ncurrency = "EUR"\n'},
        {"plans": 'invoice_number_format = "{account}{number}"\n[plans.free]\n'},
        {"currencies": "[USD]\nleast_micros = 0\n"},
        {"plans": '[plans.free]\ncurrency = "XTS"\n', "currencies": "[XXX]\nminor_units = 2\n"},
    ],
)
def test_k01_replay_refuses_the_catalogue(tmp_path: Path, files: dict[str, str]) -> None:
    written = replayed(tmp_path, files, Story().opens())
    assert (written.exit_code, written.stdout) == (2, "")
    assert any(f"{name}.toml: " in written.stderr for name in files)


def test_k02_replay_takes_other_currencies(tmp_path: Path) -> None:
    story = Story().opens().adds_card().buys("p1", "0.1")
    assert "amount_not_payable" in replayed(tmp_path, {}, story).stdout
    cheaper = replayed(tmp_path, {"currencies": "[USD]\nleast_micros = 100_000\n"}, story)
    assert "amount_not_payable" not in cheaper.stdout
    assert "payment-requested" in cheaper.stdout


def replayed(tmp_path: Path, files: dict[str, str], story: Story) -> Any:
    app = typer.Typer()
    app.command()(command)
    arguments = ["-"]
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        arguments += [f"--{name}", str(tmp_path / f"{name}.toml")]
    return CliRunner().invoke(app, arguments, input=b"\n".join(story.lines()))
