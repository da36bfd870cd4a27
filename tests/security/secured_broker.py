"""A broker that only lets users in who prove who they are, over TLS, and grants them nothing by itself."""

from collections.abc import Iterable
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from devkit.broker import DevBroker

SASL_SSL, TLS_ONLY, SASL_PLAINTEXT, ELSEWHERE = "SASL_SSL", "MTLS", "SASL_PLAIN", "ELSEWHERE"
LOOPBACK = "127.0.0.1"
CANARY = "canary%41$!"


def password_of(user: str) -> str:
    """Each contains CANARY, which must not show anywhere."""
    return f"{CANARY}-of-{user}"


class Secrets:
    """An authority, the broker's certificate for 127.0.0.1, and one for a client, as files."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.ca, self.other_ca = directory / "ca.pem", directory / "other-ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        trustme.CA().cert_pem.write_to_path(self.other_ca)
        self.broker, self.client = directory / "broker.pem", directory / "client.pem"
        self.stranger = directory / "stranger.pem"
        self.elsewhere = directory / "elsewhere.pem"
        for file, names, signer in (
            (self.broker, [LOOPBACK], authority),
            (self.elsewhere, ["broker.example.com"], authority),
            (self.client, ["client.example.com"], authority),
            (self.stranger, ["stranger.example.com"], trustme.CA()),
        ):
            file.write_bytes(signer.issue_cert(*names, common_name=file.stem).private_key_and_cert_chain_pem.bytes())
        # Java reads keys in PKCS#8 only.
        for file in (self.broker, self.elsewhere):
            file.write_bytes(_as_pkcs8(file.read_bytes()))


def _as_pkcs8(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, password=None)
    chain = pem[pem.index(b"-----BEGIN CERTIFICATE-----") :]
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form) + chain


def secured(directory: Path, secrets: Secrets, users: Iterable[str]) -> DevBroker:
    """A broker with these users. Its plaintext port is for the test alone, which is everybody's superior there."""
    names = list(users)
    scram = [
        f"{mechanism}=[name={user},password={password_of(user)},iterations=4096]"
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for user in names
    ]
    plain = " ".join(f'user_{user}="{password_of(user)}"' for user in names)
    module = "org.apache.kafka.common.security"
    properties = {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,MTLS:SSL"
        ",SASL_PLAIN:SASL_PLAINTEXT,ELSEWHERE:SSL",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": "User:ANONYMOUS",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(secrets.broker),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(secrets.ca),
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.elsewhere.ssl.keystore.location": str(secrets.elsewhere),
        "listener.name.elsewhere.ssl.keystore.type": "PEM",
    }
    for listener in ("sasl_ssl", "sasl_plain"):
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            properties[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = (
                f"{module}.scram.ScramLoginModule required;"
            )
        properties[f"listener.name.{listener}.plain.sasl.jaas.config"] = (
            f"{module}.plain.PlainLoginModule required {plain};"
        )
    return DevBroker(
        directory,
        properties=properties,
        listeners=(SASL_SSL, TLS_ONLY, SASL_PLAINTEXT, ELSEWHERE),
        format_options=[word for user in scram for word in ("--add-scram", user)],
    )
