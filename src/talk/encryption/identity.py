"""The identity of the account on this device: made once, shown to everybody, and used to sign.

Cross-signing keys are Ed25519 keys of `cryptography`, because vodozemac signs with its account's key only. The master
key signs the other two and is not needed again until they are replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from vodozemac import Account

from talk.encryption.contacts import check, store_identity
from talk.encryption.database import Database, transaction
from talk.encryption.errors import NoProfile, ProfileExists, UnknownDevice
from talk.encryption.own import PICKLE_KEY, Own, load_account, new_fallback, own
from talk.protocol.ids import account_id, decode64, encode64, hash_id
from talk.protocol.keys import (
    OLM,
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    Identity,
    SignedKey,
    signed_bytes,
)
from talk.protocol.limits import MAX_DEVICES
from talk.protocol.proofs import Channel, login_bytes

_Signed = TypeVar("_Signed", CrossSigningKey, DeviceKeys, DeviceList)


@dataclass(frozen=True, slots=True, repr=False)
class _Secrets:
    """Ed25519 seeds of 32 bytes. A second device holds the self-signing one only."""

    self_signing: bytes
    master: bytes | None = None
    user_signing: bytes | None = None


def create_profile(db: Database, server: str) -> Own:
    """Make a new account with this device as its only one, for the server of that id, and store it.

    Errors: ProfileExists.
    """
    master, self_signing, user_signing = (Ed25519PrivateKey.generate() for _ in range(3))
    account = account_id(master.public_key().public_bytes_raw(), server)
    olm = Account()
    device = _sign(_device_keys(olm, account), account, self_signing)
    empty = DeviceList(account, 1, [device.device_id], {})
    identity = Identity(
        master_key=_cross_signing(master, "master", account, master),
        self_signing_key=_cross_signing(self_signing, "self_signing", account, master),
        user_signing_key=_cross_signing(user_signing, "user_signing", account, master),
        device_list=_sign(empty, account, self_signing),
        devices=[device],
    )
    secrets = _Secrets(self_signing.private_bytes_raw(), master.private_bytes_raw(), user_signing.private_bytes_raw())
    return _store(db, server, olm, identity, secrets)


def create_second_device(db: Database, server: str, identity: Identity, self_signing: bytes) -> Own:
    """Make this database a further device of the account of `identity`, whose self-signing seed (32 bytes) is given.

    The new device list is `public_identity(db)` then; it counts once the server has taken it (`set_devices`).
    Errors: ProfileExists, IdentityRefused.
    """
    account = identity.master_key.user_id
    key = Ed25519PrivateKey.from_private_bytes(self_signing)
    olm = Account()
    grown = _with_devices(identity, [*identity.devices, _device_keys(olm, account)], key)
    return _store(db, server, olm, grown, _Secrets(self_signing))


def public_identity(db: Database) -> Identity:
    """The signed public keys of this account, as last learned: for register, and for a new device.

    Errors: NoProfile.
    """
    row = db.one("SELECT identity FROM own")
    if row is None:
        raise NoProfile
    return msgspec.json.decode(row[0], type=Identity)


def own_device_keys(db: Database) -> DeviceKeys:
    """This device's signed keys, which ride on first messages.

    Errors: NoProfile; UnknownDevice when this device was taken off its account's list.
    """
    me = own(db)
    for keys in public_identity(db).devices:
        if keys.device_id == me.device:
            return keys
    raise UnknownDevice(me.account, me.device)


def sign_devices(db: Database, devices: Sequence[DeviceKeys]) -> Identity:
    """This account's identity with exactly these devices, signed, and the version one higher. Nothing is stored.

    Send its `device_list` and `devices` by `set_devices`; once the server has taken them, `contacts.learn` the own
    profile. Signing again gives the same bytes, so a retry is harmless.
    Errors: NoProfile, IdentityRefused, and ValueError for more than MAX_DEVICES.
    """
    if not 1 <= len(devices) <= MAX_DEVICES:
        raise ValueError(f"an account has 1 to {MAX_DEVICES} devices")
    row = db.one("SELECT self_signing FROM own")
    if row is None:
        raise NoProfile
    grown = _with_devices(public_identity(db), devices, Ed25519PrivateKey.from_private_bytes(row[0]))
    me = own(db)
    check(grown, me.account, me.server)
    return grown


def sign_login(db: Database, channel: Channel) -> str:
    """The proof for login and register on this connection: an Ed25519 signature in unpadded base64.

    Only `login_bytes` is ever signed for a server: it names the purpose, both nonces and the server. Errors: NoProfile.
    """
    me = own(db)
    return load_account(db).sign(login_bytes(channel, me.account, me.device)).to_base64()


def sign_key(olm: Account, me: Own, key: SignedKey) -> SignedKey:
    """A one-time or fallback key signed by this device."""
    signature = olm.sign(signed_bytes(key)).to_base64()
    return msgspec.structs.replace(key, signatures={me.account: {f"ed25519:{me.device}": signature}})


def _store(db: Database, server: str, olm: Account, identity: Identity, secrets: _Secrets) -> Own:
    account = identity.master_key.user_id
    checked = check(identity, account, server)
    me = checked.devices[hash_id(decode64(olm.ed25519_key.to_base64()))]
    new_fallback(olm)
    with transaction(db):
        if db.one("SELECT 1 FROM own") is not None:
            raise ProfileExists
        db.run(
            "INSERT INTO own (id, server, account, device, ed25519, curve25519, identity, self_signing, master,"
            " user_signing) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(server, account, me.id, me.ed25519, me.curve25519, msgspec.json.encode(identity)),
            *(secrets.self_signing, secrets.master, secrets.user_signing),
        )
        db.run("INSERT INTO olm (id, pickle, replacing) VALUES (1, ?, 0)", olm.pickle(PICKLE_KEY))
        store_identity(db, checked, 0)
    return own(db)


def _device_keys(olm: Account, account: str) -> DeviceKeys:
    ed25519 = olm.ed25519_key.to_base64()
    device = hash_id(decode64(ed25519))
    keys = {f"ed25519:{device}": ed25519, f"curve25519:{device}": olm.curve25519_key.to_base64()}
    document = DeviceKeys(account, device, [OLM], keys, {})
    return _signed(document, account, device, olm.sign(signed_bytes(document)).to_base64())


def _with_devices(identity: Identity, devices: Sequence[DeviceKeys], key: Ed25519PrivateKey) -> Identity:
    account = identity.master_key.user_id
    signed = sorted((_sign(device, account, key) for device in devices), key=lambda device: device.device_id)
    listed = DeviceList(account, identity.device_list.version + 1, [device.device_id for device in signed], {})
    return msgspec.structs.replace(identity, devices=signed, device_list=_sign(listed, account, key))


def _cross_signing(key: Ed25519PrivateKey, usage: str, account: str, master: Ed25519PrivateKey) -> CrossSigningKey:
    public = _public(key)
    document = CrossSigningKey(account, [usage], {f"ed25519:{public}": public})
    return document if key is master else _sign(document, account, master)


def _sign(document: _Signed, account: str, key: Ed25519PrivateKey) -> _Signed:
    return _signed(document, account, _public(key), encode64(key.sign(signed_bytes(document))))


def _signed(document: _Signed, account: str, key_name: str, signature: str) -> _Signed:
    names = {**document.signatures.get(account, {}), f"ed25519:{key_name}": signature}
    return msgspec.structs.replace(document, signatures={**document.signatures, account: names})


def _public(key: Ed25519PrivateKey) -> str:
    return encode64(key.public_key().public_bytes_raw())
