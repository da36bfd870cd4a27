"""TLS, users and secrets of the connection to Redis."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.redis import DevRedis
from stream.fail_stop import Exit
from tests.views.stage import ViewsStage
from tests.views.test_process import history

PASSWORD = "secret-7"
ACL = Path(__file__).parents[2].joinpath("docs/views.md").read_text().split("`ACL SETUSER views ")[1].split("`")[0]


def with_password(redis: DevRedis, password: str) -> str:
    return redis.url.replace("redis://", f"redis://views:{password}@")


def test_a_user_with_the_rights_of_the_guide_is_enough(stage: ViewsStage, own_redis: DevRedis) -> None:
    """Takes half a minute on a busy machine: the views and `verify` start as processes."""
    stage.send(history("acme", 2))
    stage.redis.execute_command("ACL", "SETUSER", "views", *ACL.replace("PASSWORD", PASSWORD).split())
    views = stage.start(redis_url=with_password(own_redis, PASSWORD))
    views.wait_ready()
    assert stage.command("verify", redis_url=with_password(own_redis, PASSWORD)).stdout == "ok 1 accounts\n"
    views.stop()
    assert PASSWORD not in views.log()


def test_a_wrong_password_ends_the_process_and_is_not_shown(stage: ViewsStage, own_redis: DevRedis) -> None:
    status, last = stage.start(redis_url=with_password(own_redis, PASSWORD)).wait_ended()
    assert status == Exit.PERSON
    assert "Redis refuses TOLLGATE_REDIS_URL" in last["reason"]
    assert PASSWORD not in stage.processes[0].log()


@pytest.mark.parametrize("url", [f"http://:{PASSWORD}@127.0.0.1", f"redis://:{PASSWORD}@127.0.0.1:port", PASSWORD])
def test_what_is_no_url_of_a_redis_is_refused_and_not_shown(stage: ViewsStage, url: str) -> None:
    status, last = stage.start(redis_url=url).wait_ended()
    assert status == Exit.PERSON
    assert "TOLLGATE_REDIS_URL" in last["reason"]
    assert PASSWORD not in stage.processes[0].log()


def openssl(*words: str, cwd: Path) -> None:
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, `ca.crt`, and the certificate of a Redis on the loopback address."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=tests", cwd=folder)
    request = (
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "redis.key",
        "-out",
        "redis.csr",
        "-subj",
        "/CN=redis",
    )
    openssl(*request, cwd=folder)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    sign = ("x509", "-req", "-in", "redis.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    openssl(*sign, "-extfile", "names", "-out", "redis.crt", cwd=folder)
    return folder


@pytest.fixture
def own_redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DevRedis]:
    """With TLS alone where the test has certificates."""
    options: tuple[str, ...] = ()
    if "certificates" in request.fixturenames:
        folder = request.getfixturevalue("certificates")
        files = ("--tls-cert-file", f"{folder}/redis.crt", "--tls-key-file", f"{folder}/redis.key")
        options = ("--tls-ca-cert-file", f"{folder}/ca.crt", *files, "--tls-auth-clients", "no")
    with DevRedis(tmp_path / "redis", options, tls=bool(options)) as running:
        yield running


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_tls_is_checked_against_the_given_authority(
    certificates: Path, kafka: str, own_redis: DevRedis, tmp_path: Path
) -> None:
    """Takes half a minute on a busy machine: two processes start, and one of them tries again and again."""
    stage = ViewsStage(kafka, own_redis.url, "views-with-tls", tmp_path, redis_ca=certificates / "ca.crt")
    try:
        stage.send(history("acme", 2))
        views = stage.start()
        views.wait_ready()
        assert len(stage.members("acme", "ledger")) == 2
        views.stop()
        untrusted = stage.start(redis_ca="")
        stage.wait_for(lambda: "certificate" in untrusted.log().lower(), "a refused certificate")
        assert not untrusted.events("reading begins")
    finally:
        stage.close()
