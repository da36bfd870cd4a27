"""The mails as a target of the process: delivered, tried again, and unusable settings."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from stream.fail_stop import Exit
from tests.lane.stage import wait_until
from tests.notifier.mail.mail_server import OPERATOR, Inbox, serving
from tests.notifier.mail.samples import one
from tests.notifier.stage import NotifierStage

EMAIL = (
    '[email]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nfrom = "billing@acme.example"\noperator = "{operator}"\n'
)


def with_server(inbox: Inbox, check: Callable[[int], None]) -> None:
    """Run `check` with the port of a mail server, which runs meanwhile."""

    async def run() -> None:
        async with serving(inbox) as port:
            await asyncio.to_thread(check, port)

    asyncio.run(run())


def test_owners_and_the_operator_get_mails(stage: NotifierStage) -> None:
    """A mail that is refused for a moment comes again, with the same `Message-ID`."""
    inbox = Inbox(data_answer="451 4.3.0 try later")
    alert, invoice, stuck = (one(kind) for kind in ("balance-low", "invoice-issued", "call-stuck"))

    def check(port: int) -> None:
        stage.write(EMAIL.format(port=port, operator=OPERATOR))
        notifier = stage.started(notify_retries_s="1,1,1,1,1,1,1,1")
        stage.send([alert.fields])
        wait_until(lambda: bool(notifier.events("an attempt failed")), "the refused attempt", 60)
        assert all("@" not in str(line) for line in notifier.events("an attempt failed"))
        inbox.data_answer = "250 OK"
        stage.send([stuck.fields])
        stage.send([invoice.fields], "invoices")
        stage.send([{**alert.fields, "id": "no-address", "billing_email": None}])
        wait_until(lambda: len(inbox.contents) == 3, "the mails", 60)
        stage.wait_settled()
        stage.wait_settled("invoices")
        assert sorted(inbox.recipients) == sorted([OPERATOR, *2 * ["owner@example.com"]])
        expected = {f"<{event.notification_id}@acme.example>" for event in (alert, invoice, stuck)}
        assert {mail["Message-ID"] for mail in inbox.mails()} == expected
        assert notifier.sample('tollgate_notifier_mails_without_address_total{audience="owner"}') == 1
        notifier.stop()

    with_server(inbox, check)


def test_a_logo_that_cannot_be_used_leaves_the_former_file_in_force(stage: NotifierStage) -> None:
    inbox = Inbox()

    def check(port: int) -> None:
        table = EMAIL.format(port=port, operator=OPERATOR)
        stage.write(table)
        notifier = stage.started()
        stage.write(table, '[brand]\nlogo = "none.png"\n')
        wait_until(lambda: notifier.sample("tollgate_notifier_file_usable") == 0, "the metric")
        stage.send([one("call-stuck").fields])
        wait_until(lambda: inbox.recipients == [OPERATOR], "the mail", 60)
        notifier.stop()
        status, line = stage.start().wait_ended()
        assert status == Exit.PERSON
        assert "none.png" in line["reason"]

    with_server(inbox, check)


def test_an_issuer_that_cannot_be_read_ends_it_at_start(stage: NotifierStage, tmp_path: Path) -> None:
    stage.write(EMAIL.format(port=1, operator=OPERATOR))
    status, line = stage.start(issuer=tmp_path / "none.toml").wait_ended()
    assert status == Exit.PERSON
    assert "TOLLGATE_ISSUER" in line["reason"]
