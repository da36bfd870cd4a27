"""The file of targets: every key, and what is refused with the remedy."""

import json
from pathlib import Path

import pytest
from msgspec.structs import fields

from agents.notifier.event_types import ALERT_TYPES, MAILED_TYPES, TOPIC_OF
from agents.notifier.file import FollowedFile, NotifyFileError, read_file, targets_of
from agents.notifier.schedule import next_due_ms
from agents.notifier.tables import Apprise, Brand, Email, NotifyFile, Table, Webhook, covers
from tests.notifier.stage import OTHER_SECRET, SECRET

EVERY_KEY = f"""
[email]
host = "smtp.example.com"
port = 465
tls = "tls"
user = "tollgate"
password_file = "password"
from = "Acme Voice <billing@acme.example>"
reply_to = "support@acme.example"
operator = "ops@acme.example"
types = ["invoice-issued", "refill-*"]

[brand]
name = "Acme Voice"
colour = "#0a7d55"
logo = "logo.png"
portal_url = "https://billing.acme.example"
support_email = "support@acme.example"

[[webhook]]
name = "crm"
url = "https://crm.example:8443/hooks?team=1"
secret = ["{SECRET}", "{OTHER_SECRET}"]
types = ["call-charged", "refill-*"]
accounts = ["acme-*", "acct-1"]
allow_private = false

[[apprise]]
name = "on-call"
url = "json://127.0.0.1:1"
types = ["*"]
accounts = []
audience = "operator"
"""


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a password")
    found = read_file(EVERY_KEY.encode(), tmp_path / "notify.toml")
    assert found.email == Email(
        host="smtp.example.com",
        port=465,
        tls="tls",
        user="tollgate",
        password_file=tmp_path / "password",
        from_="Acme Voice <billing@acme.example>",
        reply_to="support@acme.example",
        operator="ops@acme.example",
        types=("invoice-issued", "refill-*"),
    )
    assert found.email.asked == {"invoice-issued", "refill-declined", "refill-paused", "refill-unresolved"}
    assert found.brand == Brand(
        name="Acme Voice",
        colour="#0a7d55",
        logo=tmp_path / "logo.png",
        portal_url="https://billing.acme.example",
        support_email="support@acme.example",
    )
    (crm,) = found.webhook
    assert crm.secrets == (SECRET, OTHER_SECRET)
    assert [one.name for one in found.apprise] == ["on-call"]
    for secret in (SECRET, OTHER_SECRET, "crm.example", "127.0.0.1"):
        assert secret not in repr(found), "a log line may show the file"


def test_an_empty_file_has_no_target(tmp_path: Path) -> None:
    found = read_file(b"", tmp_path / "notify.toml")
    assert (found.email, found.webhook, found.apprise, found.brand) == (None, (), (), Brand())


def test_one_secret_is_enough(tmp_path: Path) -> None:
    found = read_file(hook().encode(), tmp_path / "notify.toml")
    assert found.webhook == (Webhook(name="crm", url="https://crm.example", secret=SECRET, types=("call-*",)),)


def test_a_name_may_have_several_words(tmp_path: Path) -> None:
    names = ["Slack #on-call", "crm.v2", "_a", "Zürich", "x" * 64]
    found = read_file("".join(hook(name=name) for name in names).encode(), tmp_path / "notify.toml")
    assert [one.name for one in found.webhook] == names


def test_a_type_that_no_mail_is_made_of_is_taken_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notify.toml"
    path.write_text(mail(types=["invoice-*", "invoice-paid", "ledger-*"]))
    found = FollowedFile(path, lambda _: None).current
    assert found.email is not None
    assert found.email.asked == {"invoice-issued"}
    captured = capsys.readouterr()
    assert "['invoice-paid', 'ledger-*']" in captured.out + captured.err


async def test_a_file_that_is_being_written_is_not_used(tmp_path: Path) -> None:
    """An empty file has no target, so one that is empty for a moment would drop what waits for all of them."""
    path = tmp_path / "notify.toml"
    path.write_text(hook())
    used: list[list[str]] = []

    async def use(found: NotifyFile) -> None:
        used.append(targets_of(found))

    followed = FollowedFile(path, lambda _: None)
    for content in ("", hook(name="new"), hook(name="new") + hook(name="other")):
        path.write_text(content)
        await followed.look(use)
    assert used == []
    await followed.look(use)
    assert used == [["new", "other"]]
    await followed.look(use)
    assert used == [["new", "other"]]


def hook(**changed: object) -> str:
    keys = {"name": "crm", "url": "https://crm.example", "secret": SECRET, "types": ["call-*"], **changed}
    return table("[webhook]", {key: value for key, value in keys.items() if value is not None})


def mail(**changed: object) -> str:
    return table("email", {"host": "smtp.example.com", "from": "a@acme.example", **changed})


def table(name: str, keys: dict[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()), ""])


WRONG = [
    ("not = [toml", "not TOML"),
    ("[mail]\n", "mail: no such table"),
    ("[webhook]\n", "webhook: write [[webhook]]"),
    ("email = 1\n", "[email]: Expected `object`"),
    (mail(hots="x"), "[email]: hots: no such key; there are host, port,"),
    (mail(port=0), "[email]: Expected `int` >= 1"),
    (mail(tls="ssl"), "[email]: Invalid enum value 'ssl' - at `tls`"),
    (mail(tls="none"), '[email]: tls: "none" is for a server on this machine alone'),
    (mail(user="u"), "[email]: user and password_file belong together"),
    (mail(user="u", password_file="none"), "none: cannot be read: No such file"),
    (mail(user="u", password_file="empty"), "empty: is empty"),
    (mail(operator="nobody"), "[email]: operator: not an e-mail address"),
    (mail(types=["invoice-payed"]), "[email]: types: 'invoice-payed': no topic carries this type; there are"),
    (mail(types=["ledger-*", "snapshot-*"]), "[email]: types: 'snapshot-*': no topic carries this type"),
    ('[brand]\ncolor = "#000000"\n', "[brand]: color: no such key; there are name, colour,"),
    ('[brand]\ncolour = "green"\n', "[brand]: Expected `str` matching regex"),
    (hook(secrets=SECRET), "[[webhook]] 'crm': secrets: no such key"),
    (hook(name=None), "[[webhook]] number 1: Object missing required field `name`"),
    (hook(name="a/b"), "[[webhook]] 'a/b': Expected `str` matching regex"),
    (hook(name="email"), "name: another target has this name, or it is 'email'"),
    (hook() + hook(), "name: another target has this name"),
    (hook(types=[]), "Expected `array` of length >= 1 - at `types`"),
    (hook(types=["payment-requested"]), "types: 'payment-requested': no topic carries this type; there are"),
    (hook(types=["account-snapshot"]), "types: 'account-snapshot': no topic carries this type"),
    (hook(types=["call-charged", "invoice_*"]), "types: 'invoice_*': no topic carries this type"),
    (hook(accounts=["acme\n"]), "Expected `str` matching regex"),
    (hook(name="crm\n"), "Expected `str` matching regex"),
    (hook(name=" crm"), "Expected `str` matching regex"),
    (hook(name="a  b"), "Expected `str` matching regex"),
    (hook(name="x" * 65), "Expected `str` of length <= 64"),
    ('[brand]\ncolour = "#000000\\n"\n', "[brand]: Expected `str` matching regex"),
    (hook(accounts=["*acme"]), "Expected `str` matching regex"),
    (hook(url="http://crm.example"), "url: must begin with https://"),
    (hook(url="ftp://crm.example", allow_private=True), "url: must begin with https://"),
    (hook(url="https://"), "url: has no host"),
    (hook(url="https://crm.example:99999"), "url: not an address"),
    (hook(url="https://me:pass@crm.example"), "url: has a user name or password in it"),
    (hook(url="https://me:pass@word/crm.example"), "url: has a user name or password in it"),
    (hook(url="https://me:pass@/@crm.example"), "url: has"),
    (hook(url="https://me:pass/@crm.example"), "url: not an address: its host or port cannot be read"),
    (hook(url="https://xn--/"), "url: not an address: its host or port cannot be read"),
    (hook(url="https://[::1].example/"), "url: not an address: its host or port cannot be read"),
    (hook(url="https://crm.example/#x"), "url: has a fragment"),
    (hook(url="https://crm.example/ä"), "url: not an address: write it in ASCII"),
    (hook(secret="a secret"), "secret: number 1 is not whsec_ and the Base64 of 24 to 64 bytes; make one with"),
    (hook(secret=[SECRET, "whsec_c2hvcnQ="]), "secret: number 2 is not"),
    (hook(secret="whsec_" + "\u00e9" * 32), "secret: number 1 is not whsec_"),
    (hook(secret=[SECRET] * 4), "`secret`"),
    (table("[apprise]", {"name": "a", "url": "nothing://x", "types": ["*"]}), "url: not an address that Apprise knows"),
]


@pytest.mark.parametrize(("content", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_refusals_name_the_table_the_key_and_the_remedy(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(NotifyFileError) as raised:
        read_file(content.encode(), tmp_path / "notify.toml")
    assert expected in str(raised.value)
    assert str(tmp_path / "notify.toml") in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "'pass" not in str(raised.value)
    assert "pass@" not in str(raised.value)


def test_apprise_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is optional: its absence is simulated, because the tests have it."""
    monkeypatch.setattr("agents.notifier.file_checks.find_spec", lambda _: None)
    with pytest.raises(NotifyFileError, match=r"`apprise` is not installed: install `tollgate\[apprise\]`"):
        read_file(
            EVERY_KEY.replace('password_file = "password"', "").replace('user = "tollgate"', "").encode(), tmp_path
        )


def test_types_and_their_topics() -> None:
    assert set(TOPIC_OF.values()) == {
        *("alerts", "call-decisions", "charges", "invoices", "ledger-entries", "refills"),
    }
    assert TOPIC_OF["refill-declined"] == TOPIC_OF["refill-paused"] == "alerts"
    assert len(ALERT_TYPES) == 13
    assert {"invoice-issued", "receipt-issued"} == MAILED_TYPES - ALERT_TYPES


@pytest.mark.parametrize(
    ("accounts", "covered"), [(None, True), ((), False), (("acme-1",), True), (("acme-*",), True), (("acme",), False)]
)
def test_accounts(accounts: tuple[str, ...] | None, covered: bool) -> None:
    assert covers(accounts, "acme-1") is covered


def test_schedule() -> None:
    delays_ms = (5_000, 60_000)
    first = [next_due_ms(delays_ms, 1, None, 1_000) for _ in range(200)]
    assert all(one is not None and 6_000 <= one <= 6_500 for one in first)
    assert len(set(first)) > 20, "what failed at once does not come at once"
    assert next_due_ms(delays_ms, 3, None, 1_000) is None
    assert next_due_ms((), 1, 60, 1_000) is None
    longer = next_due_ms(delays_ms, 1, 100, 0)
    assert longer is not None
    assert 100_000 <= longer <= 110_000
    shorter = next_due_ms(delays_ms, 2, 3, 0)
    assert shorter is not None
    assert 60_000 <= shorter <= 66_000
    most = next_due_ms(delays_ms, 2, 10**8, 0)
    assert most is not None
    assert 86_400_000 <= most <= 86_400_000 * 1.1


PAGE = (Path(__file__).resolve().parents[2] / "docs/notifier.md").read_text(encoding="utf-8")


def test_the_page_has_a_file_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "smtp-password").write_text("a password")
    found = read_file(PAGE.split("```toml\n", 1)[1].split("```", 1)[0].encode(), tmp_path / "notify.toml")
    assert (found.webhook[0].name, found.apprise[0].name) == ("crm", "on-call")


@pytest.mark.parametrize("kind", [Email, Brand, Webhook, Apprise], ids=lambda kind: kind.__name__)
def test_the_page_explains_every_key(kind: type[Table]) -> None:
    table = PAGE.split("| table | key | meaning |", 1)[1].split("\n\n", 1)[0]
    section = table.split(f"{kind.__name__.lower()}]", 1)[1]
    assert [key for field in fields(kind) if f"`{(key := field.encode_name)}`" not in section] == []
