"""Public keys as they travel: Matrix's formats, signed, plus our versioned list of devices.

Source: Matrix client-server API, "End-to-End Encryption" (device_keys, signed_curve25519 keys, cross-signing keys) and
its appendix "Signing JSON". Cross-signing has no revocation, so the self-signing key also signs the list of devices
that are in use, with a version that only rises.

    master key ──signs──▶ self-signing key ──signs──▶ each device's keys, and the device list
               ──signs──▶ user-signing key (signs other people's master keys when they have been compared)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from talk.protocol.errors import Code, Refused
from talk.protocol.ids import AccountId, DeviceId, account_id, decode64, hash_id
from talk.protocol.limits import MAX_DEVICES, MAX_NUMBER

OLM = "m.olm.v1.curve25519-aes-sha2"
ONE_TIME = "signed_curve25519"

Key = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}$", max_length=43, description="32 bytes, unpadded base64")]
NoKey = Annotated[
    str,
    Meta(pattern=r"^([A-Za-z0-9+/]{43})?$(?!\n)", max_length=43, description="32 bytes in unpadded base64, or empty"),
]
Signature = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{86}$", max_length=86, description="Ed25519, unpadded base64")]
KeyName = Annotated[str, Meta(max_length=80, description="algorithm:id")]
Signatures = Annotated[
    dict[AccountId, Annotated[dict[KeyName, Signature], Meta(max_length=4)]],
    Meta(max_length=4, description="account → key name → signature of the canonical JSON without this field"),
]
KeyId = Annotated[str, Meta(pattern="^signed_curve25519:[A-Za-z0-9+/]{1,48}$", max_length=80)]


class CrossSigningKey(Struct, frozen=True):
    """A master, self-signing or user-signing key."""

    user_id: AccountId
    usage: Annotated[list[str], Meta(min_length=1, max_length=1)]
    keys: Annotated[dict[KeyName, Key], Meta(min_length=1, max_length=1)]
    signatures: Signatures = {}


class DeviceKeys(Struct, frozen=True):
    """The two long-term keys of a device, signed by the device itself and by the account's self-signing key."""

    user_id: AccountId
    device_id: DeviceId
    algorithms: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=8)]
    keys: Annotated[dict[KeyName, Key], Meta(max_length=2)]
    signatures: Signatures


class DeviceList(Struct, frozen=True):
    """The devices that count, sorted; a lower version than one already seen is refused everywhere."""

    user_id: AccountId
    version: Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
    devices: Annotated[list[DeviceId], Meta(max_length=MAX_DEVICES)]
    signatures: Signatures


class SignedKey(Struct, frozen=True, omit_defaults=True):
    """A one-time or fallback key of a device, signed by the device."""

    key: Key
    signatures: Signatures
    fallback: bool = False


class Identity(Struct, frozen=True):
    """Everything public about an account's keys. `check_identity` says whether it holds together."""

    master_key: CrossSigningKey
    self_signing_key: CrossSigningKey
    user_signing_key: CrossSigningKey
    device_list: DeviceList
    devices: Annotated[list[DeviceKeys], Meta(max_length=MAX_DEVICES)]


Signed = CrossSigningKey | DeviceKeys | DeviceList | SignedKey


@dataclass(frozen=True, slots=True)
class Device:
    """A device whose signatures were checked. Keys in unpadded base64."""

    id: str
    ed25519: str
    curve25519: str


@dataclass(frozen=True, slots=True)
class CheckedIdentity:
    """What is known for sure after `check_identity`."""

    account: str
    master: str
    self_signing: str
    version: int
    devices: dict[str, Device]


def canonical(document: object) -> bytes:
    """Canonical JSON (Matrix appendix "Canonical JSON"): sorted keys, no spaces, UTF-8; numbers are integers."""
    return msgspec.json.encode(document, order="sorted")


def signed_bytes(document: Signed) -> bytes:
    """The bytes that a signature of this document covers: its canonical JSON without `signatures`."""
    fields = msgspec.to_builtins(document)
    del fields["signatures"]
    return canonical(fields)


def is_signed(document: Signed, account: str, key_name: str, public_key: str) -> bool:
    """Whether the document carries a good Ed25519 signature of that key (unpadded base64) under that name."""
    signature = document.signatures.get(account, {}).get(f"ed25519:{key_name}")
    return signature is not None and is_signature(public_key, signature, signed_bytes(document))


def is_signature(public_key: str, signature: str, message: bytes) -> bool:
    """Whether this is that key's Ed25519 signature (RFC 8032) of the message."""
    try:
        Ed25519PublicKey.from_public_bytes(decode64(public_key)).verify(decode64(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_identity(identity: Identity, server: str) -> CheckedIdentity:
    """Follow every signature from the master key down, and say what is certain then.

    Errors: Refused with BAD_IDENTITY.
    """
    master = _only_key(identity.master_key, "master")
    account = account_id(_decoded(master), server)
    _require(identity.master_key.user_id == account, "the account is not the hash of its master key")
    self_signing = _signed_by_master(identity.self_signing_key, "self_signing", account, master)
    _signed_by_master(identity.user_signing_key, "user_signing", account, master)

    listed = identity.device_list
    _require(listed.user_id == account, "the device list is another account's")
    _require(is_signed(listed, account, self_signing, self_signing), "the device list is not signed")
    _require(listed.devices == sorted(set(listed.devices)), "the device list is not sorted")
    devices = [check_device(keys, account, self_signing) for keys in identity.devices]
    _require(sorted(device.id for device in devices) == listed.devices, "the devices are not those of the device list")
    return CheckedIdentity(account, master, self_signing, listed.version, {device.id: device for device in devices})


def check_device(keys: DeviceKeys, account: str, self_signing: str) -> Device:
    """Check one device's keys against its own signature and the account's self-signing key.

    Errors: Refused with BAD_IDENTITY.
    """
    ed25519 = keys.keys.get(f"ed25519:{keys.device_id}", "")
    curve25519 = keys.keys.get(f"curve25519:{keys.device_id}", "")
    _require(keys.user_id == account, "a device is another account's")
    _require(bool(ed25519 and curve25519) and OLM in keys.algorithms, "a device lacks its keys")
    _decoded(curve25519)
    _require(hash_id(_decoded(ed25519)) == keys.device_id, "a device id is not the hash of its key")
    _require(is_signed(keys, account, keys.device_id, ed25519), "a device is not signed by itself")
    _require(is_signed(keys, account, self_signing, self_signing), "a device is not signed by its account")
    return Device(keys.device_id, ed25519, curve25519)


def _signed_by_master(key: CrossSigningKey, usage: str, account: str, master: str) -> str:
    _require(key.user_id == account, f"the {usage} key is another account's")
    _require(is_signed(key, account, master, master), f"the {usage} key is not signed by the master key")
    return _only_key(key, usage)


def _only_key(key: CrossSigningKey, usage: str) -> str:
    name, public = next(iter(key.keys.items()))
    _require(key.usage == [usage] and name == f"ed25519:{public}", f"the {usage} key is not of the right form")
    _decoded(public)
    return public


def _decoded(key: str) -> bytes:
    """The bytes of a key. One key must not have two spellings, or pinned keys could not be compared."""
    try:
        return decode64(key)
    except ValueError:
        raise Refused(Code.BAD_IDENTITY, detail="a key is not of the right form") from None


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise Refused(Code.BAD_IDENTITY, detail=detail)
