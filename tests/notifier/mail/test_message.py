"""The mail as it arrives: headers, texts, logo and the invoice's PDF."""

import re
import subprocess
import sys
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path

import pytest

from agents.notifier.event import Event
from agents.notifier.mail.address import AddressError, Mailbox, read_address, read_mailbox
from agents.notifier.mail.brand import MailSetupError
from agents.notifier.mail.reports import Reports
from agents.notifier.outcome import Delivered, GaveUp, Retry
from agents.notifier.tables import Brand
from backoffice.documents.issuer import load_issuer
from tests.notifier.mail.mail_server import Inbox, Mails, email_table, serving
from tests.notifier.mail.samples import one

ROOT = Path(__file__).parents[3]
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 60"><rect width="300" height="60" fill="#0a7"/></svg>'


async def delivered(event: Event, inbox: Inbox | None = None, **table: object) -> EmailMessage:
    inbox = inbox or Inbox()
    async with serving(inbox) as port:
        assert await Mails(email_table(port, **table)).target.deliver(event, 1) == Delivered()
    return inbox.mails()[-1]


def text_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def sender_of(inbox: Inbox) -> tuple[str, str]:
    """Read as mail programs do. The newer classes of `email` put blanks between the encoded words of a name."""
    name, address = parseaddr(message_from_bytes(inbox.contents[0])["From"])
    return str(make_header(decode_header(name))), address


async def test_the_headers() -> None:
    event = one("balance-low", balance_micros=-2_400_000)
    mail = await delivered(event, from_="Grüße & Co <billing@acme.example>", reply_to="Help <help@acme.example>")
    assert mail["From"] == "Grüße & Co <billing@acme.example>"
    assert mail["To"] == "owner@example.com"
    assert mail["Reply-To"] == "Help <help@acme.example>"
    assert mail["Subject"] == "Your balance is \N{MINUS SIGN}$2.40"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{event.notification_id}@acme.example>"
    assert parsedate_to_datetime(mail["Date"]).utcoffset() is not None
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


async def test_without_a_name_of_its_own_the_sender_has_the_brand_s() -> None:
    mail = await delivered(one("balance-low"))
    assert mail["From"] == "Acme Voice <billing@acme.example>"
    assert mail["Reply-To"] is None


async def test_long_names_and_domains_stay_whole() -> None:
    domain = "notifications.billing.a-very-long-company-name-with-more.example.com"
    event = one("call-stuck", account_id="a" * 128)
    name = "Grüße, Söhne und viele andere Namen in einer Firma, die nicht enden will"
    inbox = Inbox()
    mail = await delivered(event, inbox, from_=f"{name} <billing@{domain}>", operator=f"{'o' * 64}@{domain}")
    assert sender_of(inbox) == (name, f"billing@{domain}")
    assert mail["To"] == f"{'o' * 64}@{domain}"
    assert mail["Message-ID"] == f"<{event.notification_id}@{domain}>"
    assert mail["Subject"] == f"Account {'a' * 128}: a call has no end"


@pytest.mark.parametrize(
    "name",
    [
        "Acme",
        "Acme, Inc.",
        'The "A" \\ team',
        "a" * 100,
        "Ä" * 100,
        "Ein Wort " * 11 + "ä",
        "=?utf-8?q?x?=",
        "Acme <a@b.c>",
    ],
)
async def test_any_name_arrives_as_it_is(name: str) -> None:
    inbox = Inbox()
    async with serving(inbox) as port:
        await Mails(email_table(port), brand=Brand(name=name)).target.deliver(one("balance-low"), 1)
    assert sender_of(inbox) == (name, "billing@acme.example")
    head = inbox.contents[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, head)) <= 998
    assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8\?\S+\?=", b" ".join(head)))


async def test_every_byte_on_the_wire_is_ascii() -> None:
    inbox = Inbox()
    await delivered(one("billing-email-changed", new_billing_email="grüße@example.com"), inbox)
    assert inbox.contents[0].isascii()
    assert "grüße@example.com" in text_of(inbox.mails()[0], "plain")
    assert "grüße@example.com" in text_of(inbox.mails()[0], "html")


async def test_a_retry_has_the_same_message_id_and_the_same_words() -> None:
    inbox, event = Inbox(drop=True), one("receipt-issued")
    async with serving(inbox) as port:
        target = Mails(email_table(port)).target
        assert isinstance(await target.deliver(event, 1), Retry)
        inbox.drop = False
        assert await target.deliver(event, 2) == Delivered()
        assert await target.deliver(event, 3) == Delivered()
    first, second = inbox.mails()
    assert first["Message-ID"] == second["Message-ID"]
    assert text_of(first, "plain") == text_of(second, "plain")


def rendered(event: Event, issuer: Path, folder: Path) -> bytes:
    facts, pdf = folder / "events.jsonl", folder / "invoice.pdf"
    facts.write_bytes(event.value + b"\n")
    command = [sys.executable, "-m", "tollgate", "invoice", "render", str(facts), event.fields["invoice_id"]]
    subprocess.run([*command, "-o", str(pdf), "--issuer", str(issuer)], cwd=ROOT, check=True, timeout=60)
    return pdf.read_bytes()


async def test_the_invoice_is_attached_as_invoice_render_makes_it(tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.toml"
    issuer.write_text('name = "Acme Voice"\naccent = "#0b6e4f"\nlogo = "logo.svg"\n')
    (tmp_path / "logo.svg").write_text(LOGO)
    event, inbox = one("invoice-issued"), Inbox()
    async with serving(inbox) as port:
        mails = Mails(email_table(port), issuer=load_issuer(issuer))
        assert await mails.target.deliver(event, 1) == Delivered()
    pdf = rendered(event, issuer, tmp_path)
    (attached,) = inbox.mails()[0].iter_attachments()
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_filename() == f"invoice-{event.fields['reference']}.pdf"
    assert attached.get_content() == pdf
    assert pdf.startswith(b"%PDF")


async def test_nothing_else_has_an_attachment() -> None:
    assert not list((await delivered(one("receipt-issued"))).iter_attachments())


async def test_the_brand_comes_from_the_issuer_s_file_where_the_table_is_silent(tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.toml"
    issuer.write_text('name = "Issuer Ltd"\nemail = "accounts@issuer.example"\naccent = "#123456"\nlogo = "logo.svg"\n')
    (tmp_path / "logo.svg").write_text(LOGO)
    inbox = Inbox()
    async with serving(inbox) as port:
        for brand in (Brand(), Brand(name="Acme Voice", colour="#654321", support_email="help@acme.example")):
            target = Mails(email_table(port), brand=brand, issuer=load_issuer(issuer)).target
            assert await target.deliver(one("balance-low"), 1) == Delivered()
    own, branded = inbox.mails()
    assert own["From"].startswith("Issuer Ltd <")
    assert "Write to accounts@issuer.example." in text_of(own, "plain")
    assert "Write to help@acme.example." in text_of(branded, "plain")
    assert branded["From"].startswith("Acme Voice <")
    for mail in (own, branded):
        assert any(part.get_content_type() == "image/png" for part in mail.walk())


async def test_a_changed_file_does_not_begin_the_hour_of_reports_anew() -> None:
    reports, inbox = Reports(), Inbox(refused={"owner@example.com": "550 5.1.1 unknown"})
    async with serving(inbox) as port:
        for name in ("Acme", "Acme Voice"):
            target = Mails(email_table(port), brand=Brand(name=name), reports=reports).target
            assert isinstance(await target.deliver(one("balance-low"), 1), GaveUp)
    assert inbox.recipients == ["ops@acme.example"]


async def test_an_invoice_that_does_not_add_up_waits_for_a_person() -> None:
    async with serving(Inbox()) as port:
        outcome = await Mails(email_table(port)).target.deliver(one("invoice-issued", total_micros=1), 1)
    assert isinstance(outcome, Retry)
    assert "does not add up" in outcome.why


async def test_the_logo_travels_with_the_mail(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    inbox = Inbox()
    async with serving(inbox) as port:
        mails = Mails(email_table(port), brand=Brand(logo=tmp_path / "logo.svg"))
        await mails.target.deliver(one("invoice-issued"), 1)
    mail = inbox.mails()[0]
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 1
    content_id = pictures[0]["Content-ID"].strip("<>")
    assert f'src="cid:{content_id}"' in text_of(mail, "html")
    assert pictures[0].get_content().startswith(b"\x89PNG")
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]


@pytest.mark.parametrize("content", ["<svg", "no picture"])
def test_a_logo_that_cannot_be_drawn_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "logo.svg"
    path.write_text(content)
    with pytest.raises(MailSetupError, match=r"\[brand\]: logo: .*logo\.svg"):
        Mails(email_table(25), brand=Brand(logo=path))


@pytest.mark.parametrize("key", ["from_", "reply_to", "operator"])
def test_an_address_in_the_file_that_is_none_is_named(key: str) -> None:
    with pytest.raises(MailSetupError, match=rf"\[email\]: {key.rstrip('_')}: "):
        Mails(email_table(25, **{key: "Acme <nobody>"}))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("owner@example.com", "owner@example.com"),
        ("o'neil+x@sub.example.com", "o'neil+x@sub.example.com"),
        ("a@localhost", "a@localhost"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        # `straße` would become `strasse`, which may belong to somebody else.
        ("a@straße.example", "a@straße.example"),
        ("grüße@example.com", "grüße@example.com"),
    ],
)
def test_an_address_is_taken_as_it_is(text: str, address: str) -> None:
    assert read_address(text).address == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "a@", "@b", "a.b", "a@b c", "a@b\n", "a\n@b", "a@b\r\nX: y", "<a@b.c>", "a,b@c.d", '"a"@b.c'),
        *(".a@b.c", "a..b@c.d", "a@b..c", "a@-b.c", "a@b_c.d", "a@b>c", "a@b.c,d@e.f"),
        *("a" * 65 + "@b.c", "a@" + "b" * 64 + ".c"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        read_address(text)
    assert len(text) < 3 or text not in str(caught.value)


def test_a_name_has_no_second_line() -> None:
    assert read_address("a@b.example", "Acme\r\nBcc: c@d.example").name == "Acme Bcc: c@d.example"
    for text in ('"Acme, Inc." <a@b.example>', "Acme, Inc. <a@b.example>"):
        assert read_mailbox(text) == Mailbox("Acme, Inc.", "a", "b.example")


async def test_a_name_with_line_breaks_adds_no_header() -> None:
    inbox = Inbox()
    async with serving(inbox) as port:
        brand = Brand(name="Acme\r\nBcc: c@d.example")
        await Mails(email_table(port), brand=brand).target.deliver(one("balance-low"), 1)
    assert inbox.mails()[0]["Bcc"] is None
    assert inbox.recipients == ["owner@example.com"]


async def test_an_address_with_letters_of_the_world_needs_a_server_that_takes_them() -> None:
    mail = await delivered(one("balance-low", billing_email="grüße@example.com"))
    assert mail["To"] == "grüße@example.com"


async def test_a_server_that_takes_only_ascii_refuses_such_an_address() -> None:
    inbox = Inbox()
    async with serving(inbox, wide=False) as port:
        outcome = await Mails(email_table(port)).target.deliver(
            one("balance-low", billing_email="grüße@example.com"), 1
        )
    assert isinstance(outcome, GaveUp)
    assert inbox.recipients == ["ops@acme.example"]
