"""The explanation of a call on a credits plan: the sentence, the sections and the adjustments. Rule G11."""

from typing import Any

import msgspec
import pytest

from backoffice.explain.command import explain
from backoffice.replay import replay_lines
from tests.backoffice.explain.histories import ALL, BOTH, Facts, call, calls, opened, replay
from tests.wire.golden_files import CATALOGUE, THEMES, inputs_of


def sentence(facts: Facts, call_id: str) -> str:
    text = explain(facts, call_id)
    assert "DIFFERS" not in text
    return text.splitlines()[0]


def test_the_call_that_hit_the_cap_in_full() -> None:
    history = opened(*ALL, dollars=40)
    calls(history, 28)
    call(history, "c29", features=BOTH)
    assert explain(replay(history), "c29").splitlines() == [
        (
            "Call c29 of account a1 cost $6.00: it was call 29 of the period from 1 Jan 2026, beyond the 25 included"
            " ones, a live agent and an appointment were used, and the cap of $6.00 took off $3.00."
        ),
        "",
        "Call          inbound, completed, plan free (version 1 of the catalogue)",
        (
            "              started 2 Jan 2026 14:00:00 UTC, answered 2 Jan 2026 14:00:05 UTC,"
            " ended 2 Jan 2026 14:01:05 UTC: 1 min 0 s billable"
        ),
        (
            "Gate          admitted at 2 Jan 2026 14:00:00 UTC: it was beyond the included calls, extra calls were on"
            " and there were credits (credits)"
        ),
        "              paid features active on it: appointment booking, extra calls and live agent; $6.00 held",
        "Charge        at 2 Jan 2026 14:01:05 UTC, a1/c29/charged",
        "              extra call               1 x $3.00        $3.00",
        "              live agent               1 x $3.00        $3.00",
        "              appointment booking      1 x $3.00        $3.00",
        "              cap                     1 x -$3.00       -$3.00",
        "              charged                                   $6.00",
        "              at most $6.00 a call; rounded once to $0.01, halves up: $6.00, nothing to round",
        "Paid          $6.00 from the wallet, $0.00 by card",
        "              balance $31.00 before, $25.00 after",
        "Not enabled   no feature that was used",
        "Adjustments   none",
        "Ledger        a1/ledger/5: charge -$6.00, balance $25.00 after",
        "Inputs        i61, i62",
        "Check         recomputed: $6.00, the same",
        "              the ledger moved by the same amounts",
    ]


# Rules C2 to C5, C11, P4, G7.
@pytest.mark.parametrize(
    ("features", "dollars", "earlier", "end", "expected"),
    [
        (ALL, 20, 0, {}, "cost nothing: it was call 1 of the period from 1 Jan 2026, one of the 25 included ones."),
        (
            ALL,
            20,
            0,
            {"features": ["live_agent"]},
            (
                "cost $3.00: it was call 1 of the period from 1 Jan 2026, one of the 25 included ones,"
                " and a live agent was used."
            ),
        ),
        (
            ("live_agent",),
            20,
            0,
            {"features": BOTH},
            (
                "cost $3.00: it was call 1 of the period from 1 Jan 2026, one of the 25 included ones,"
                " a live agent was used, and appointment booking was not enabled on it."
            ),
        ),
        (
            ALL,
            0,
            0,
            {"features": BOTH},
            (
                "cost nothing: it was call 1 of the period from 1 Jan 2026, one of the 25 included ones,"
                " and live agent and appointment booking were not enabled on it."
            ),
        ),
        (
            ALL,
            20,
            25,
            {},
            "cost $3.00: it was call 26 of the period from 1 Jan 2026, beyond the 25 included ones.",
        ),
        (ALL, 20, 0, {"answered": False}, "cost nothing: nobody answered it."),
        (ALL, 20, 0, {"answered": False, "outcome": "busy"}, "cost nothing: the line was busy, nobody answered it."),
        (ALL, 20, 0, {"real": False}, "cost nothing: it was marked as not real."),
        (ALL, 20, 0, {"outcome": "redirected"}, "cost nothing: it was redirected."),
        (
            (),
            20,
            25,
            {"features": BOTH},
            (
                "cost nothing: the gate redirected it, since it was beyond the included calls and extra calls were"
                " switched off."
            ),
        ),
        (
            ALL,
            0,
            25,
            {},
            (
                "cost nothing: the gate redirected it, since it was beyond the included calls and there were no credits"
                " left."
            ),
        ),
    ],
)
def test_one_sentence(
    features: tuple[str, ...], dollars: int, earlier: int, end: dict[str, Any], expected: str
) -> None:
    history = opened(*features, dollars=dollars)
    calls(history, earlier)
    call(history, "x", **end)
    assert sentence(replay(history), "x") == f"Call x of account a1 {expected}"


def test_calls_that_were_never_charged() -> None:
    history = opened("extra_calls")
    history.start("open", "a1")
    calls(history, 25)
    history.start("beyond", "a1")
    history.add("redirect-set", "a1", redirect_to="+4930555")
    history.start("beyond-too", "a1")
    history.start("nowhere", "nobody")
    facts = replay(history)
    beyond = "it was beyond the included calls and there were no credits left"
    assert sentence(facts, "beyond") == f"Call beyond of account a1 cost nothing: it was redirected, because {beyond}."
    assert sentence(facts, "beyond-too").startswith(
        "Call beyond-too of account a1 cost nothing: it was redirected to +4930"
    )
    assert "there was no such account when it started" in sentence(facts, "nowhere")
    assert sentence(facts, "open").endswith("has cost nothing so far: it was admitted and has not ended.")
    history.tick(history.now_ms)
    assert sentence(replay(history), "open").endswith("it was admitted, and no end was ever reported for it.")


def test_an_end_without_a_start_is_explained() -> None:
    history = opened("live_agent", dollars=20)
    history.end("c1", "a1", features=["live_agent"])
    text = explain(replay(history), "c1")
    assert "no start had been reported when its end was" in text
    assert text.startswith("Call c1 of account a1 cost $3.00:")


# Rules C18 and G6.
def test_an_adjustment_has_its_reason_and_amount() -> None:
    history = opened(*ALL, dollars=40)
    calls(history, 26)
    history.add("call-reclassified", "a1", call_id="c5", real=False)
    facts = replay(history)
    assert sentence(facts, "c26") == (
        "Call c26 of account a1 costs nothing now: it was first charged $3.00, then 1 adjustment took off $3.00,"
        " because it is call 25 of the period from 1 Jan 2026, one of the 25 included ones."
    )
    text = explain(facts, "c26")
    assert (
        "another call of the period was added, removed or moved, so this one is now call 25 (reranked, input i57)"
        in text
    )
    assert "$3.00 back to the wallet" in text
    assert "a1/ledger/3: adjustment +$3.00, balance $40.00 after" in text
    assert "charge and adjustments sum to what the call costs now" in text
    history.add("call-reclassified", "a1", call_id="c5", real=True)
    history.end("c26", "a1", started_ms=history.now_ms, features=["live_agent"])
    text = explain(replay(history), "c26")
    assert text.startswith(
        "Call c26 of account a1 costs $6.00 now: it was first charged $3.00, then 3 adjustments added $3.00"
    )
    assert "a later report of the call's end had other content" in text


def test_every_call_of_the_golden_histories_adds_up() -> None:
    explained = 0
    for theme in THEMES:
        facts = list(replay_lines(inputs_of(theme), CATALOGUE))
        for account_id, call_id in {(f["account_id"], f["call_id"]) for f in facts if "call_id" in f}:
            text = explain(facts, call_id, account_id)
            assert "DIFFERS" not in text, text
            assert "NOT" not in text, text
            explained += 1
    assert explained > 50


# An earlier version took prices that are no multiple of the quantum; its charges are explained all the same.
def test_rounding_is_shown() -> None:
    odd = msgspec.structs.replace(
        CATALOGUE.plans["odd"],
        extra_call_micros=1_234_567,
        live_agent_micros=105_000,
        appointment_booking_micros=4_999,
        cap_micros=1_339_999,
    )
    catalogue = msgspec.structs.replace(CATALOGUE, plans={**CATALOGUE.plans, "odd": odd})
    facts = list(replay_lines(inputs_of("cap"), catalogue))
    text = explain(facts, "o1")
    assert text.startswith("Call o1 of account cap-odd cost 1.23 EUR:")
    assert "1 x 1.234567 EUR     1.23 EUR" in text
    assert "at most 1.339999 EUR a call; rounded once to 0.01 EUR, halves up: 1.234567 EUR -> 1.23 EUR" in text
    assert "recomputed: 1.33 EUR, the same" in explain(facts, "o3")


# The charge has the period's start in UTC; an alert, invoice or receipt of the account has its time zone. Rule G3.
def test_g03_a_period_starts_on_a_day_of_the_accounts_time_zone() -> None:
    facts = list(replay_lines(inputs_of("gate"), CATALOGUE))
    assert "of the period from 31 Jan 2026 (Europe/Berlin), one" in explain(facts, "c1")
    silent = [{name: value for name, value in fact.items() if name != "time_zone"} for fact in facts]
    assert "of the period from 30 Jan 2026 23:00:00 UTC, one" in explain(silent, "c1")
    unknown = [{**fact, "time_zone": "Mars/Olympus"} for fact in facts]
    assert "of the period from 30 Jan 2026 23:00:00 UTC, one" in explain(unknown, "c1")


def test_the_time_zone_of_another_account_does_not_count() -> None:
    history = opened()
    call(history, "c1")
    alert = {"type": "balance-low", "account_id": "a2", "time_zone": "Asia/Tokyo"}
    assert "of the period from 1 Jan 2026, one" in explain([*replay(history), alert], "c1")
    assert "(Asia/Tokyo)" in explain([*replay(history), {**alert, "account_id": "a1"}], "c1")


def off_rows(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("not enabled")]


# Rules C11 and P4: a receipt has a line without a name for each feature that was off, and for a redirected call.
@pytest.mark.parametrize(
    ("on", "earlier", "used", "named"),
    [
        ((), 0, BOTH, ["live agent", "appointment booking"]),
        (("live_agent",), 0, BOTH, ["appointment booking"]),
        (("appointment_booking",), 0, BOTH, ["live agent"]),
        (("live_agent",), 0, ["live_agent"], []),
        (("live_agent",), 25, BOTH, ["the call, which the gate redirected"]),
    ],
)
def test_c11_each_line_of_a_feature_that_was_off_has_its_name(
    on: tuple[str, ...], earlier: int, used: list[str], named: list[str]
) -> None:
    history = opened(*on, dollars=40)
    calls(history, earlier)
    call(history, "x", features=used)
    rows = off_rows(explain(replay(history), "x"))
    assert rows == [f"not enabled              1 x $0.00        $0.00  {name}" for name in named]


def test_c11_an_adjustment_names_what_was_off_too() -> None:
    history = opened("live_agent", dollars=40)
    call(history, "x", features=[])
    history.end("x", "a1", started_ms=history.now_ms, features=BOTH)
    history.end("x", "a1", started_ms=history.now_ms, features=[])
    rows = off_rows(explain(replay(history), "x"))
    assert rows == [
        "not enabled              1 x $0.00        $0.00  appointment booking",
        "not enabled             -1 x $0.00        $0.00  appointment booking",
    ]


# Rule X2: the answer to a refused start is no decision about the call.
def test_a_call_whose_start_was_refused() -> None:
    history = opened("live_agent", dollars=20)
    for call_id in ("alone", "ended", "again"):
        history.start(call_id, "a1", direction="sideways")
    history.end("ended", "a1", features=["live_agent"])
    history.start("again", "a1", id="corrected")
    facts = replay(history)
    assert sentence(facts, "alone").endswith(
        "cost nothing: its start was refused, and no end was ever reported for it."
    )
    assert "cost $3.00" in sentence(facts, "ended")
    assert "its end was charged as if the call had been admitted when the end came" in explain(facts, "ended")
    assert "Gate          admitted at" in explain(facts, "again")
    assert "Inputs        corrected, " in explain(facts, "again")
