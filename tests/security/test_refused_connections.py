"""Connections that a broker refuses, or that are made to the wrong one: status 78, and one line with the cure."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from stream.fail_stop import Exit
from tests.security.place import AT_ONCE, Place
from tests.security.secured_broker import CANARY, ELSEWHERE, SASL_PLAINTEXT, TLS_ONLY, password_of

pytestmark = pytest.mark.timeout(600)
WORKER = "worker"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("refused"), [WORKER])
    with made.broker:
        yield made


REFUSED = [
    ("another password", {"sasl_password_file": "", "sasl_password": "no"}, "refuses the user worker"),
    ("no such user", {"sasl_user": "nobody"}, "refuses the user nobody"),
    ("another authority", {"ssl_ca_file": "other-ca.pem"}, "TOLLGATE_SSL_CA_FILE must hold the authority that signed"),
    ("the system's authorities", {"ssl_ca_file": ""}, "TOLLGATE_SSL_CA_FILE must hold the authority that signed"),
    ("another name", {"bootstrap_servers": "localhost:SASL_SSL"}, "must use a name that is in its certificate"),
    ("another broker", {"bootstrap_servers": f"127.0.0.1:{ELSEWHERE}"}, "must use a name that is in its certificate"),
    (
        "no TLS",
        {"security_protocol": "SASL_PLAINTEXT", "ssl_ca_file": ""},
        "expects TLS: TOLLGATE_SECURITY_PROTOCOL is SASL_PLAINTEXT",
    ),
    (
        "a login where there is none",
        {"bootstrap_servers": f"127.0.0.1:{TLS_ONLY}", "ssl_certificate_file": "client.pem"},
        "should be PLAINTEXT or SSL",
    ),
]
BY_CERTIFICATE = {"security_protocol": "SSL", "sasl_user": "", "sasl_password_file": "", "bootstrap_servers": TLS_ONLY}
REFUSED += [
    ("no certificate", BY_CERTIFICATE, "TOLLGATE_SSL_CERTIFICATE_FILE must be a certificate that the broker trusts"),
    (
        "a stranger's certificate",
        {**BY_CERTIFICATE, "ssl_certificate_file": "stranger.pem"},
        "TOLLGATE_SSL_CERTIFICATE_FILE must be a certificate that the broker trusts",
    ),
]


@pytest.fixture(scope="module")
def refused(place: Place) -> dict[str, tuple[int, str]]:
    """How a worker ends with each refused connection; some at once."""

    def end(case: tuple[str, dict[str, str], str]) -> tuple[int, str]:
        return place.ended("worker", "nothing", {**place.login(WORKER), **_located(case[1], place)})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip([case[0] for case in REFUSED], pool.map(end, REFUSED), strict=True))


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, _, said in REFUSED])
def test_a_refused_connection_needs_a_person(name: str, said: str, refused: dict[str, tuple[int, str]]) -> None:
    status, output = refused[name]
    assert status == Exit.PERSON, output
    assert said in output.splitlines()[-1]
    assert "Traceback" not in output
    assert CANARY not in output


COMMANDS = [
    *("payments run", "topics", "topics --apply", "payments topics", "backup --to never.gz", "rebuild"),
    *("skip --partition 0 --offset 0 --reason x", "redrive --code malformed_json", "demo provider"),
]


@pytest.fixture(scope="module")
def logged_out(place: Place) -> dict[str, tuple[int, str]]:
    """How each command ends with a wrong password; some at once."""
    connection = {**place.login(WORKER), "sasl_password_file": "", "sasl_password": f"{CANARY}-wrong"}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(lambda command: place.ended(command, "nothing", connection), COMMANDS)
        return dict(zip(COMMANDS, ended, strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_connects_ends_in_one_line_with_a_wrong_password(
    command: str, logged_out: dict[str, tuple[int, str]]
) -> None:
    status, output = logged_out[command]
    assert status == Exit.PERSON, output
    lines = [line for line in output.splitlines() if '"level": "error"' not in line]
    assert len(lines) == 1, output
    assert "refuses the user worker: TOLLGATE_SASL_USER" in lines[0]
    assert CANARY not in output


LOGINS = [
    ("SCRAM-SHA-256", {"sasl_mechanism": "SCRAM-SHA-256"}),
    ("PLAIN", {"sasl_mechanism": "PLAIN"}),
    ("a password in the environment", {"sasl_password_file": "", "sasl_password": password_of(WORKER)}),
    (
        "without TLS",
        {"security_protocol": "SASL_PLAINTEXT", "ssl_ca_file": "", "bootstrap_servers": f"127.0.0.1:{SASL_PLAINTEXT}"},
    ),
    ("a certificate", {**BY_CERTIFICATE, "ssl_certificate_file": "client.pem"}),
]


@pytest.mark.parametrize("changed", [case[1] for case in LOGINS], ids=[case[0] for case in LOGINS])
def test_every_way_to_log_in_gets_as_far_as_the_rights(changed: dict[str, str], place: Place) -> None:
    status, output = place.ended("topics", "nothing", {**place.login(WORKER), **_located(changed, place)})
    assert status == Exit.PERSON
    assert "may not Describe on topic nothing.account-events" in output
    assert CANARY not in output


def _located(changed: dict[str, str], place: Place) -> dict[str, str]:
    """File names in the test's directory, and listeners by their ports."""
    found = {}
    for name, given in changed.items():
        value = str(place.directory / given) if name.endswith("_file") and given else given
        if name == "bootstrap_servers":
            host, _, listener = given.rpartition(":")
            value = f"{host or '127.0.0.1'}:{place.broker.ports[listener]}"
        found[name] = value
    return found
