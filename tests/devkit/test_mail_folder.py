"""The mail server of a trial writes each mail to a file."""

import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from devkit.kafka_jars import DevkitError
from devkit.mail_folder import MailFolder


def mail(to: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = "Acme <billing@acme.example>", to, subject
    message.set_content("Grüße.\n.\nA line with one point is no end.\n")
    return message


def send(server: MailFolder, message: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as client:
        client.send_message(message)


def test_each_mail_is_a_file_in_the_order_of_arrival(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mails"
    with MailFolder(folder) as server:
        send(server, mail("owner@a.example", "Grüße: $2.40"))
        send(server, mail("a/b@a.example", "Receipt / 2"))
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "0001-owner@a.example-Gr-e-2.40.eml",
        "0002-a-b@a.example-Receipt-2.eml",
    ]
    read = message_from_bytes((folder / names[0]).read_bytes(), policy=policy.default)
    assert read["Subject"] == "Grüße: $2.40"
    text = read.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "Grüße.\n.\nA line with one point is no end.\n"


def test_mails_that_are_there_stay(tmp_path: Path) -> None:
    for subject in ("one", "two"):
        with MailFolder(tmp_path) as server:
            send(server, mail("owner@a.example", subject))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0001-owner@a.example-one.eml",
        "0002-owner@a.example-two.eml",
    ]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with (
        MailFolder(tmp_path) as server,
        pytest.raises(DevkitError, match=f"{server.port}"),
        MailFolder(tmp_path, server.port),
    ):
        pass
