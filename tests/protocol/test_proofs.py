from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from talk.protocol.ids import encode64
from talk.protocol.keys import is_signature
from talk.protocol.limits import PROTOCOL_VERSION
from talk.protocol.proofs import NONCE_BYTES, Channel, hello_bytes, login_bytes

from .vectors import vectors

VECTORS = vectors("proofs")
CHANNEL = Channel(VECTORS["server"], "A" * 43, "B" * 43, "C" * 43)


@pytest.mark.parametrize("vector", VECTORS["connections"], ids=["with a certificate", "without"])
def test_the_signed_bytes_and_signatures_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    channel = Channel(VECTORS["server"], vector["client_nonce"], vector["server_nonce"], vector["certificate"])
    hello = hello_bytes(channel)
    login = login_bytes(channel, VECTORS["account"], VECTORS["device"])
    assert hello == vector["hello"].encode("ascii")
    assert login == vector["login"].encode("ascii")
    assert _sign(VECTORS["server_seed"], hello) == vector["hello_signature"]
    assert _sign(VECTORS["device_seed"], login) == vector["login_signature"]
    assert is_signature(VECTORS["server_key"], vector["hello_signature"], hello)
    assert is_signature(VECTORS["device_key"], vector["login_signature"], login)


def _sign(seed: str, message: bytes) -> str:
    return encode64(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).sign(message))


def test_the_version_and_the_purpose_are_signed_too() -> None:
    hello, login = hello_bytes(CHANNEL).split(b"\n"), login_bytes(CHANNEL, "@a:b", "d").split(b"\n")
    assert hello[:2] == [b"talk server hello", str(PROTOCOL_VERSION).encode()]
    assert login[:2] == [b"talk device login", str(PROTOCOL_VERSION).encode()]


@pytest.mark.parametrize("field", [field.name for field in fields(Channel)])
def test_another_connection_gives_other_bytes(field: str) -> None:
    other = replace(CHANNEL, **{field: "z" * 43})
    assert hello_bytes(other) != hello_bytes(CHANNEL)
    assert login_bytes(other, "@a:b", "d") != login_bytes(CHANNEL, "@a:b", "d")


def test_another_account_or_device_gives_other_bytes() -> None:
    made = {login_bytes(CHANNEL, account, device) for account in ("@a:b", "@c:b") for device in ("d", "e")}
    assert len(made) == 4


def test_nonces_cannot_be_guessed() -> None:
    assert NONCE_BYTES * 8 >= 128
