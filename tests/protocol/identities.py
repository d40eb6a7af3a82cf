"""A signed identity made from seeds, and signing again after a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from talk.protocol.ids import account_id, encode64, hash_id
from talk.protocol.keys import (
    OLM,
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    Identity,
    SignedKey,
    signed_bytes,
)

Document = TypeVar("Document", CrossSigningKey, DeviceKeys, DeviceList, SignedKey)


def seed(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(key: Ed25519PrivateKey) -> str:
    return encode64(key.public_key().public_bytes_raw())


SERVER_KEY, MASTER, SELF_SIGNING, USER_SIGNING = (seed(number) for number in (1, 2, 3, 4))
DEVICES = [seed(5), seed(6)]
SERVER = hash_id(SERVER_KEY.public_key().public_bytes_raw())
ACCOUNT = account_id(MASTER.public_key().public_bytes_raw(), SERVER)


def device_id(key: Ed25519PrivateKey) -> str:
    return hash_id(key.public_key().public_bytes_raw())


def sign(document: Document, name: str, key: Ed25519PrivateKey) -> Document:
    """The document with one more signature of this account."""
    signature = encode64(key.sign(signed_bytes(document)))
    signatures = {ACCOUNT: {**document.signatures.get(ACCOUNT, {}), f"ed25519:{name}": signature}}
    return msgspec.structs.replace(document, signatures=signatures)


def sign_anew(document: Document, name: str, key: Ed25519PrivateKey, /, **changes: Any) -> Document:
    """The document with these changes, and only this signature."""
    return sign(msgspec.structs.replace(document, **changes, signatures={}), name, key)


def cross_signing(key: Ed25519PrivateKey, usage: str) -> CrossSigningKey:
    document = CrossSigningKey(ACCOUNT, [usage], {f"ed25519:{public(key)}": public(key)})
    return document if key is MASTER else sign(document, public(MASTER), MASTER)


def device_keys(key: Ed25519PrivateKey) -> DeviceKeys:
    id = device_id(key)
    keys = {f"ed25519:{id}": public(key), f"curve25519:{id}": encode64(id.encode())}
    unsigned = DeviceKeys(ACCOUNT, id, [OLM], keys, {})
    return sign(sign(unsigned, id, key), public(SELF_SIGNING), SELF_SIGNING)


def change_device(device: DeviceKeys, key: Ed25519PrivateKey, /, **changes: Any) -> DeviceKeys:
    """The device with these changes, signed again by itself and by its account."""
    return sign(sign_anew(device, device.device_id, key, **changes), public(SELF_SIGNING), SELF_SIGNING)


def make_identity(version: int = 1) -> Identity:
    """Two devices, everything signed."""
    devices = sorted((device_keys(key) for key in DEVICES), key=lambda device: device.device_id)
    listed = DeviceList(ACCOUNT, version, [device.device_id for device in devices], {})
    return Identity(
        master_key=cross_signing(MASTER, "master"),
        self_signing_key=cross_signing(SELF_SIGNING, "self_signing"),
        user_signing_key=cross_signing(USER_SIGNING, "user_signing"),
        device_list=sign(listed, public(SELF_SIGNING), SELF_SIGNING),
        devices=devices,
    )


IDENTITY = make_identity()
Change = Callable[[Identity], Identity]
