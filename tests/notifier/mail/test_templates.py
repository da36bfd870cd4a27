"""The words of the mails: every event has one, and both texts say all of it."""

import html
import re
from pathlib import Path

import pytest

from agents.notifier.event import Event
from agents.notifier.mail.brand import MailSetupError
from agents.notifier.mail.templates import HTML, SHIPPED, SUBJECT, TEXT, TemplateFaultError
from agents.notifier.mail.writing import WORDS
from agents.notifier.tables import Brand
from tests.notifier.mail.samples import CURRENCIES, changed, events, named_events, one, writer

# The contract's table, written again: a type that is added there must get its templates.
ALERTS = {
    *("balance-low", "funds-needed", "purchase-declined", "refill-declined", "refill-paused", "refill-unresolved"),
    *("subscription-payment-declined", "upgrade-suggested", "call-stuck", "call-overlong", "payment-reversed"),
    *("payment-contradicted", "billing-email-changed"),
}
DOCUMENTS = {"receipt-issued", "invoice-issued"}
SHARED = {"base.html", "base.txt", "parts.html", "parts.txt"}
ROOT = Path(__file__).parents[3]
SYMBOLS = {"USD": "$", "EUR": "€", "JPY": "¥"}

every_event = pytest.mark.parametrize("event", events(), ids=list(named_events()))


def test_each_type_has_its_templates_and_none_is_left_over() -> None:
    names = {kind + part for kind in ALERTS | DOCUMENTS | {"mail-refused"} for part in (SUBJECT, TEXT, HTML)}
    assert {path.name for path in SHIPPED.iterdir()} == names | SHARED
    assert {event.type for event in events()} == ALERTS | DOCUMENTS


def test_the_contract_has_no_other_alert() -> None:
    described = (ROOT / "schemas/wire/asyncapi.yaml").read_text(encoding="utf-8")
    alerts = described.partition("\n  alerts:")[2].partition("\n    bindings:")[0]
    found = {name.removesuffix("-alert") for name in re.findall(r"components/messages/([a-z-]+)", alerts)}
    assert found == ALERTS


def visible(markup: str) -> str:
    """What a reader sees of the HTML, the preview line and the styles left out."""
    body = re.sub(r'(?s)<style>.*?</style>|<title>.*?</title>|<div style="display:none.*?</div>', "", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def figures(text: str) -> set[str]:
    """The words that hold a digit."""
    return {word.strip(".,:;()") for word in re.split(r"\s+", text) if re.search(r"\d", word)}


@every_event
@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_mail_is_written_in_the_currency_of_its_event(event: Event, currency: str) -> None:
    """An unknown name in a template would fail: the environment is strict."""
    has_money = "currency" in event.fields
    mail = writer().write(changed(event, currency=currency) if has_money else event)
    for text in (mail.subject, mail.text, visible(mail.html)):
        assert text.strip()
        assert not re.search(r"None|undefined|micros|[{}%]}|_|\bnull\b", re.sub(r"https?://\S+|ch_\d+", "", text))
        for other in SYMBOLS.keys() - {currency}:
            assert not re.search(rf"{re.escape(SYMBOLS[other])}\d", text)
    if has_money and event.type != "call-stuck":
        assert SYMBOLS[currency] in mail.text
    assert "\n" not in mail.subject
    assert len(mail.subject) <= 78


@every_event
def test_the_plain_text_is_complete(event: Event) -> None:
    mail = writer().write(event)
    missing = figures(visible(mail.html)) - figures(mail.text.replace("\N{NO-BREAK SPACE}", " "))
    assert not missing
    links = set(re.findall(r'href="(https:[^"]+)"', mail.html))
    assert all(html.unescape(link) in mail.text for link in links)
    assert not re.search(r"\n{3}", mail.text)


# The sum of cents is written out: micros never pass through a float.
@pytest.mark.parametrize(
    ("currency", "micros", "shown"),
    [
        ("USD", 1_234_560_000, "$1,234.56"),
        ("USD", 8_999_999_999_999_990, "$8,999,999,999.99999"),
        ("EUR", 1_234_560_000, "€1,234.56"),
        ("EUR", 100_000, "€0.10"),
        ("JPY", 1_234_000_000, "¥1,234"),
    ],
)
def test_money_is_exact(currency: str, micros: int, shown: str) -> None:
    mail = writer().write(one("receipt-issued", amount_micros=micros, currency=currency))
    assert mail.subject == f"Receipt for {shown}"
    assert f"\nPaid: {shown}\n" in mail.text
    assert f">{shown}<" in mail.html


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "31 January 2026, 23:30 (UTC)"),
        ("Europe/Berlin", "1 February 2026, 00:30 (Berlin time)"),
        ("America/New_York", "31 January 2026, 18:30 (New York time)"),
        ("Asia/Kathmandu", "1 February 2026, 05:15 (Kathmandu time)"),
        ("Etc/GMT+5", "31 January 2026, 18:30 (UTC-05:00)"),
    ],
)
def test_times_are_those_of_the_event_s_zone(zone: str, shown: str) -> None:
    mail = writer().write(one("receipt-issued", occurred_at="2026-01-31T23:30:00Z", time_zone=zone))
    assert f"\nDate: {shown}\n" in mail.text


def test_the_operator_reads_utc() -> None:
    mail = writer().write(one("call-stuck", occurred_at="2026-01-31T23:30:00Z"))
    assert "\nNoticed: 31 January 2026, 23:30 (UTC)\n" in mail.text


@pytest.mark.parametrize("kind", ["purchase-declined", "refill-declined", "subscription-payment-declined"])
def test_a_card_that_needs_authentication_leads_to_payment_methods(kind: str) -> None:
    mail = writer().write(one(kind, reason="authentication_required"))
    assert "Your bank wants you to confirm" in mail.text
    assert "Open Payment methods and add the card again" in mail.text
    assert "Payment methods: https://pay.acme.example/portal/cards" in mail.text
    assert 'href="https://pay.acme.example/portal/cards"' in mail.html
    assert "confirm" in mail.subject


@pytest.mark.parametrize("given", ["https://pay.acme.example", "https://pay.acme.example/portal/"])
def test_links_lead_to_the_page(given: str) -> None:
    mail = writer(Brand(portal_url=given)).write(one("balance-low"))
    assert "Add credits: https://pay.acme.example/portal/credits\n" in mail.text


def test_without_the_page_there_are_no_links() -> None:
    for event in events():
        mail = writer(Brand()).write(event)
        assert "http" not in mail.text
        assert 'href="http' not in mail.html


@pytest.mark.parametrize("redirected", [1, 2])
def test_a_redirected_call_does_not_say_what_the_event_does_not_know(redirected: int) -> None:
    """Credits that are reserved are not used up, and Auto-refill may be on: the event has neither."""
    mail = writer().write(one("funds-needed", redirected_calls=redirected))
    for text in (mail.subject, mail.text, mail.html):
        assert "balance" not in text
        assert "With Auto-refill" not in text
        assert "Set up" not in text


def test_what_is_missing_is_not_mentioned() -> None:
    mail = writer(Brand()).write(one("refill-paused", reason="hard_decline", brand=None, last4=None))
    assert "Your card was declined for" in mail.text
    assert "Tollgate" in mail.text
    assert "Questions?" not in mail.text


def test_a_value_is_never_markup_and_never_a_second_line() -> None:
    hostile = one("billing-email-changed", new_billing_email="<b>x</b>\r\nBcc: y\u202ez", account_id="a&b")
    mail = writer(Brand(name='A<i> & "Co"\nB')).write(hostile)
    assert "<b>" not in mail.html
    assert "<i>" not in mail.html
    assert "&lt;b&gt;x&lt;/b&gt; Bcc: yz" in mail.html
    assert 'A<i> & "Co" B' in mail.text
    assert "<b>x</b> Bcc: yz" in mail.text


def test_a_field_that_is_new_on_the_wire_changes_nothing() -> None:
    event = one("balance-low")
    assert writer().write(changed(event, later={"deep": [1]})) == writer().write(event)


def test_the_guide_has_every_name_that_a_template_can_use() -> None:
    guide = (ROOT / "docs/guides/mails.md").read_text(encoding="utf-8")
    table = guide.partition("| name | what it is |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    names = {name for cell in cells for name in re.findall(r"`(\w+)", cell)}
    assert names == {*WORDS, "event", "brand", "subject", "link"}


class TestOwnFolder:
    def test_a_file_replaces_one_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "balance-low.subject.txt").write_text("Nur noch {{ money(event.balance_micros) }}\n")
        made = writer(folder=tmp_path)
        assert made.write(one("balance-low")).subject == "Nur noch $4.00"
        assert made.write(one("funds-needed")) == writer().write(one("funds-needed"))

    def test_the_frame_can_be_replaced_and_other_files_included(self, tmp_path: Path) -> None:
        (tmp_path / "base.txt").write_text("{% block body %}{% endblock %}{% include '_foot.txt' %}")
        (tmp_path / "_foot.txt").write_text("Acme, 1 High Street")
        (tmp_path / "README.md").write_text("ours")
        assert writer(folder=tmp_path).write(one("balance-low")).text.endswith("Acme, 1 High Street\n")

    def test_a_change_holds_at_once(self, tmp_path: Path) -> None:
        path = tmp_path / "balance-low.subject.txt"
        path.write_text("{{ event.nothing }}")
        made = writer(folder=tmp_path)
        with pytest.raises(TemplateFaultError, match=r"balance-low\.subject\.txt"):
            made.write(one("balance-low"))
        path.write_text("Mended, and longer")
        assert made.write(one("balance-low")).subject == "Mended, and longer"

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("balance_low.txt", "x", "replaces no template"),
            ("balance-low.html", "{% if %}", "Expected an expression"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_named(self, tmp_path: Path, name: str, content: str, reason: str) -> None:
        (tmp_path / name).write_text(content)
        with pytest.raises(MailSetupError, match=f"{re.escape(name)}.*{reason}"):
            writer(folder=tmp_path)

    def test_a_folder_that_is_none_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MailSetupError, match="TOLLGATE_NOTIFY_TEMPLATES"):
            writer(folder=tmp_path / "missing")
