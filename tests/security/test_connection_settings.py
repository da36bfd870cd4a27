"""The settings of the connection: what is refused, in one line that names the variable, and what is never shown."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from stream.fail_stop import Exit
from stream.settings import Settings, settings_table, validation_line
from tests.lane.stage import ROOT
from tests.security.secured_broker import CANARY, Secrets

TLS = {"security_protocol": "SSL"}
LOGIN = {"security_protocol": "SASL_PLAINTEXT", "sasl_user": "u"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, and passwords as they should not be."""
    folder = tmp_path_factory.mktemp("files")
    Secrets(folder)
    (folder / "password").write_text(f"{CANARY}\n")
    (folder / "empty").write_text("\n")
    (folder / "two-lines").write_text(f"{CANARY}\nuser=u\n")
    (folder / "binary").write_bytes(b"\xff\xfe" + CANARY.encode())
    key = serialization.load_pem_private_key((folder / "client.pem").read_bytes(), password=None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (folder / "locked").write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(CANARY.encode())))
    return folder


REFUSED = [
    ({"security_protocol": "TLS"}, "TOLLGATE_SECURITY_PROTOCOL: Input should be 'PLAINTEXT', 'SSL'"),
    (
        {**LOGIN, "sasl_mechanism": "SCRAM-SHA-1", "sasl_password": CANARY},
        "TOLLGATE_SASL_MECHANISM: Input should be 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'",
    ),
    ({"security_protocol": "SASL_SSL", "sasl_password": CANARY}, "TOLLGATE_SASL_USER is missing"),
    (LOGIN, "the password of TOLLGATE_SASL_USER is missing: set TOLLGATE_SASL_PASSWORD_FILE"),
    ({**LOGIN, "sasl_password": CANARY, "sasl_password_file": "password"}, "are both set: leave one out"),
    ({**LOGIN, "sasl_password_file": "none"}, "none cannot be read: No such file or directory"),
    ({**LOGIN, "sasl_password_file": "."}, "cannot be read: Is a directory"),
    ({**LOGIN, "sasl_password_file": "empty"}, "empty is empty: write the password into it"),
    ({**LOGIN, "sasl_password_file": "two-lines"}, "must hold the password alone, in one line"),
    ({**LOGIN, "sasl_password_file": "binary"}, "binary is not UTF-8"),
    ({**TLS, "ssl_ca_file": "none"}, "none cannot be read: No such file or directory"),
    ({**TLS, "ssl_ca_file": "password"}, "password holds no certificate in PEM format"),
    ({**TLS, "ssl_certificate_file": "none"}, "TOLLGATE_SSL_CERTIFICATE_FILE: "),
    ({**TLS, "ssl_certificate_file": "ca.pem"}, "TOLLGATE_SSL_CERTIFICATE_FILE: "),
    ({**TLS, "ssl_certificate_file": "client.pem", "ssl_key_file": "none"}, "TOLLGATE_SSL_KEY_FILE: "),
    ({**TLS, "ssl_certificate_file": "client.pem", "ssl_key_file": "broker.pem"}, "must be a certificate and its key"),
    ({**TLS, "ssl_certificate_file": "client.pem", "ssl_key_file": "locked"}, "without a passphrase"),
    ({**TLS, "ssl_key_file": "client.pem"}, "TOLLGATE_SSL_CERTIFICATE_FILE is missing"),
    # What the protocol does not use would be trusted, and have no effect.
    (
        {"ssl_ca_file": "ca.pem"},
        "TOLLGATE_SSL_CA_FILE is set, and TOLLGATE_SECURITY_PROTOCOL=PLAINTEXT does not use it",
    ),
    ({**TLS, "sasl_user": "u"}, "TOLLGATE_SASL_USER is set, and TOLLGATE_SECURITY_PROTOCOL=SSL does not use it"),
    ({"sasl_password": CANARY}, "TOLLGATE_SASL_PASSWORD is set, and TOLLGATE_SECURITY_PROTOCOL=PLAINTEXT"),
    ({**LOGIN, "sasl_password": CANARY, "ssl_ca_file": "ca.pem"}, "choose a protocol with SSL"),
]


@pytest.mark.parametrize(("given", "line"), REFUSED, ids=[f"{given}" for given, _ in REFUSED])
def test_a_connection_that_cannot_be_is_refused_by_name(given: dict[str, str], line: str, files: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**_located(given, files))
    shown = validation_line(refused.value)
    assert line in shown
    assert "TOLLGATE_S" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("command", ["worker", "settings", "topics", "payments run", "backup --to x"])
def test_every_process_refuses_it_in_one_line_with_status_78(command: str, files: Path, tmp_path: Path) -> None:
    given = _located({**LOGIN, "sasl_password_file": "two-lines"}, files)
    status, out, err = run(command, tmp_path, given)
    assert (status, out) == (Exit.PERSON, "")
    assert len(err.splitlines()) == 1
    assert f"TOLLGATE_SASL_PASSWORD_FILE: {files / 'two-lines'} must hold the password alone, in one line" in err
    assert CANARY not in err


def test_a_password_is_read_from_its_file_without_the_lines_end(files: Path) -> None:
    settings = Settings(**_located({**LOGIN, "sasl_password_file": "password"}, files))
    assert settings.connection.options["sasl_plain_password"] == CANARY


@pytest.mark.parametrize("given", [{"sasl_password": CANARY}, {"sasl_password_file": "password"}])
def test_a_password_is_never_shown(given: dict[str, str], files: Path, tmp_path: Path) -> None:
    located = _located({**LOGIN, **given}, files)
    settings = Settings(**located)
    shown = [repr(settings), str(settings), repr(settings.connection), f"{settings_table(settings)}"]
    status, out, err = run("settings", tmp_path, located)
    assert status == 0
    assert "TOLLGATE_SASL_USER" in out
    assert not [text for text in (*shown, out, err) if CANARY in text]


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    settings = Settings(ssl_ca_file="", sasl_password_file="", plans="")
    assert (settings.ssl_ca_file, settings.sasl_password_file, settings.plans) == (None, None, None)


def test_without_settings_there_is_no_tls_and_no_user() -> None:
    assert Settings().connection.options == {"bootstrap_servers": "127.0.0.1:9092", "security_protocol": "PLAINTEXT"}


def _located(given: dict[str, str], files: Path) -> dict[str, Any]:
    """As the environment gives them, with the files in the test's folder."""
    return {name: str(files / value) if name.endswith("_file") else value for name, value in given.items()}


def run(command: str, folder: Path, given: dict[str, str]) -> tuple[int, str, str]:
    env = {f"TOLLGATE_{name.upper()}": value for name, value in given.items()}
    ended = subprocess.run(
        [sys.executable, "-m", "tollgate", *command.split()],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TOLLGATE_PAYMENTS_PROVIDER": "fake", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr
