"""The process: its settings, its end, what it shows."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

from agents.notifier.settings import Settings, rows_topic
from stream.fail_stop import Exit
from tests.lane.stage import ROOT
from tests.notifier.receiver import Receiver
from tests.notifier.stage import NotifierStage, webhook


def test_https_with_the_authorities_of_the_system(stage: NotifierStage, tmp_path: Path) -> None:
    """OpenSSL takes the system's authorities from SSL_CERT_FILE when it is set."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with Receiver(tls=context) as receiver:
        stage.write(webhook(receiver))
        stage.started(SSL_CERT_FILE=tmp_path / "authority.pem", HTTPS_PROXY="http://127.0.0.1:1")
        sent = stage.send([stage.alert("acct-1")])
        stage.wait_for(lambda: receiver.ids() == sent, "the event")


def test_a_private_address_is_refused_in_the_process_too(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(f"https://localhost:{receiver.port}/", allow_private=False))
    notifier = stage.started(notify_retries_s="0")
    stage.send([stage.alert("acct-1")])
    stage.wait_for(lambda: notifier.events("a notification was given up"), "giving up")
    (line,) = notifier.events("a notification was given up")
    assert "allow_private" in line["why"]
    assert not receiver.arrivals


def test_a_channel_of_apprise(stage: NotifierStage, receiver: Receiver) -> None:
    """Its `json://` posts to a server; `audience` chooses the operator's alerts."""
    stage.write(
        f'[[apprise]]\nname = "on-call"\nurl = "json://127.0.0.1:{receiver.port}/"\ntypes = ["*"]\n'
        'audience = "operator"\n'
    )
    notifier = stage.started()
    stage.send([stage.alert("acct-1"), stage.alert("acct-1", "call-stuck", audience="operator", call_id="c-1")])
    stage.wait_for(lambda: receiver.arrivals, "the alert")
    stage.wait_settled()
    (arrival,) = receiver.arrivals
    assert arrival.event["title"] == "call-stuck: acct-1"
    assert "call_id: c-1" in arrival.event["message"]
    assert arrival.event["type"] == "warning"
    notifier.stop()


def test_no_log_line_shows_a_secret_or_an_address(stage: NotifierStage, receiver: Receiver) -> None:
    stage.write(webhook(f"{receiver.url}&token=of-the-url", secret="whsec_" + "c2VjcmV0" * 5))
    notifier = stage.started(notify_retries_s="0")
    receiver.answer = _broken
    stage.send([stage.alert("acct-1", billing_email="owner@acme.example")])
    stage.wait_for(lambda: notifier.events("a notification was given up"), "giving up")
    notifier.stop()
    for hidden in ("of-the-url", "c2VjcmV0", "owner@acme.example"):
        assert hidden not in notifier.log()
    assert "owner@acme.example" not in str(stage.rows())


async def _broken(_: Any) -> Any:
    raise ConnectionResetError


def test_a_row_that_cannot_be_trusted_ends_the_process(stage: NotifierStage, receiver: Receiver) -> None:
    async def write() -> None:
        async with AIOKafkaProducer(bootstrap_servers=stage.settings.bootstrap_servers) as producer:
            await producer.send_and_wait(rows_topic(stage.settings), b"{}", key=b"waiting/crm/alerts/1", partition=0)

    asyncio.run(write())
    stage.write(webhook(receiver))
    status, line = stage.start().wait_ended()
    assert (status, line["reason"]) == (Exit.PERSON, "a row of the notifier cannot be trusted")


@pytest.mark.parametrize(
    ("content", "variables", "expected"),
    [
        (None, {}, "TOLLGATE_NOTIFY is not set: set it to the file (TOML) of the targets"),
        (None, {"NOTIFY": "none.toml"}, "TOLLGATE_NOTIFY: none.toml: cannot be read: No such file or directory"),
        ("[mail]", {"NOTIFY": "notify.toml"}, "TOLLGATE_NOTIFY: notify.toml: mail: no such table"),
        ("", {"NOTIFY": "notify.toml", "NOTIFY_RETRIES_S": "5,x"}, "TOLLGATE_NOTIFY_RETRIES_S: must be seconds"),
        ("", {"NOTIFY": "notify.toml", "NOTIFY_RETRY_S": "5"}, "TOLLGATE_NOTIFY_RETRY_S is not a setting: do you mean"),
    ],
)
def test_a_wrong_setting_ends_it_at_start(
    content: str | None, variables: dict[str, str], expected: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "notify.toml").write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "tollgate", "notifier"],
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), **{f"TOLLGATE_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == Exit.PERSON
    assert expected in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [("24h", 86_400_000), ("90", 90_000), ("90 s", 90_000), ("15m", 900_000), ("2d", 172_800_000)],
)
def test_ages(given: str, milliseconds: int) -> None:
    assert Settings(notify_max_age=given).max_age_ms == milliseconds


@pytest.mark.parametrize(
    ("given", "delays_ms"), [("", ()), ("0", (0,)), ("5, 60", (5_000, 60_000)), ("0.25", (250,)), (None, None)]
)
def test_retries(given: str | None, delays_ms: tuple[int, ...] | None) -> None:
    if given is None or delays_ms is None:
        assert Settings().retries_ms == (5_000, 60_000, 600_000, 3_600_000, 21_600_000, 86_400_000)
    else:
        assert Settings(notify_retries_s=given).retries_ms == delays_ms


@pytest.mark.parametrize(
    "given",
    [{"notify_retries_s": "-1"}, {"notify_retries_s": "1,,2"}, {"notify_retries_s": ",".join("1" * 101)}]
    + [{"notify_max_age": one} for one in ("", "1w", "h", "-1h", "1.5h")],
)
def test_wrong_values(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)
