"""What a person sees while the day is played."""

import io
import json

from rich.console import Console

from demo.closing import most_telling_call
from demo.progress import Progress
from demo.show import Show, line
from demo.watch import Totals


def progress() -> Progress:
    totals = Totals()
    for topic, kind, extra in (
        ("call-decisions", "call-admitted", {}),
        ("call-decisions", "call-redirected", {"reason": "extra_calls_off"}),
        ("charges", "call-charged", {"amount_micros": 6_000_000}),
        ("charges", "charge-adjusted", {"amount_micros": -3_000_000}),
        ("refills", "refill-declined", {"reason": "card_expired"}),
        ("alerts", "refill-declined", {"reason": "card_expired"}),
    ):
        fact = {"type": kind, "occurred_at": "2026-01-31T14:32:10Z", **extra}
        totals.fact(topic, json.dumps(fact).encode())
    totals.dead_letter("not_utf8")
    return Progress(totals, waiting=12)


def test_a_plain_line_has_every_number() -> None:
    assert line(progress()) == (
        "2026-01-31 14:32  0 events/s  lag 12  admitted 1  redirected 1  charged 1 ($3.00)  alerts 1  refills 0  "
        "dead letters 1"
    )


def test_without_a_terminal_lines_are_few_and_the_last_one_is_always_shown() -> None:
    out = io.StringIO()
    with Show(Console(file=out, width=80), "a day") as show:
        for _ in range(10):
            show.update(progress())
        show.update(progress(), last=True)
    assert out.getvalue().splitlines() == [line(progress())]


def test_on_a_terminal_there_is_a_table() -> None:
    out = io.StringIO()
    with Show(Console(file=out, force_terminal=True, width=100), "a day") as show:
        show.update(progress())
    text = out.getvalue()
    for shown in ("a day", "extra_calls_off 1", "$3.00", "not_utf8 1", "2026-01-31 14:32"):
        assert shown in text


def test_the_dearest_call_is_the_one_explained_an_adjusted_one_before_others() -> None:
    def fact(kind: str, call_id: str, amount_micros: int) -> dict[str, object]:
        return {"type": kind, "call_id": call_id, "amount_micros": amount_micros, "lines": []}

    facts = [
        fact("call-charged", "cheap", 0),
        fact("call-charged", "dear-1", 6),
        fact("call-charged", "dear-2", 6),
        fact("charge-adjusted", "dear-1", -3),
    ]
    assert most_telling_call(facts) == "dear-1"
    assert most_telling_call([]) is None
