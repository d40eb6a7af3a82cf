"""People with real keys, as the server sees them: signed identities, proofs, one-time keys, sealed contents."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from talk.protocol import commands, events
from talk.protocol.ids import account_id, encode64, hash_id, random_id
from talk.protocol.keys import (
    OLM,
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    Identity,
    SignedKey,
    signed_bytes,
)
from talk.protocol.proofs import Channel, login_bytes

Document = TypeVar("Document", CrossSigningKey, DeviceKeys, DeviceList, SignedKey)


def public(key: Ed25519PrivateKey) -> str:
    return encode64(key.public_key().public_bytes_raw())


def some_key() -> str:
    """32 random bytes where the server expects a Curve25519 key: it cannot tell the difference."""
    return encode64(secrets.token_bytes(32))


class Phone:
    """One device of a person."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.key = Ed25519PrivateKey.generate()
        self.curve = some_key()
        self.id = hash_id(self.key.public_key().public_bytes_raw())

    def keys(self) -> DeviceKeys:
        named = {f"ed25519:{self.id}": public(self.key), f"curve25519:{self.id}": self.curve}
        keys = DeviceKeys(self.person.account, self.id, [OLM], named, {})
        return self.person.signed_by_account(self.person.sign(keys, self.id, self.key))

    def proof(self, channel: Channel) -> str:
        return encode64(self.key.sign(login_bytes(channel, self.person.account, self.id)))

    def login(self, channel: Channel) -> commands.Login:
        return commands.Login(random_id(), self.person.account, self.id, self.proof(channel))

    def register(self, channel: Channel, *, invite: str = "", **changes: Any) -> commands.Register:
        """Take this person's name with this device alone."""
        identity = self.person.identity([self], version=1)
        command = commands.Register(random_id(), self.person.name, identity, self.proof(channel), invite)
        return msgspec.structs.replace(command, **changes)

    def one_time_keys(self, count: int) -> dict[str, SignedKey]:
        return {f"signed_curve25519:{secrets.token_hex(8)}": self.one_time_key() for _ in range(count)}

    def fallback_key(self) -> dict[str, SignedKey]:
        return {f"signed_curve25519:{secrets.token_hex(8)}": self.one_time_key(fallback=True)}

    def one_time_key(self, *, fallback: bool = False) -> SignedKey:
        return self.person.sign(SignedKey(some_key(), {}, fallback), self.id, self.key)


class Person:
    """Somebody with the four kinds of keys. `phones` are the devices on the list, which has `version`."""

    def __init__(self, name: str, server: str) -> None:
        self.name = name
        self._master, self._self_signing, self._user_signing = (Ed25519PrivateKey.generate() for _ in range(3))
        self.account = account_id(self._master.public_key().public_bytes_raw(), server)
        self.version = 1
        self.phones = [Phone(self)]

    @property
    def phone(self) -> Phone:
        return self.phones[0]

    def sign(self, document: Document, name: str, key: Ed25519PrivateKey) -> Document:
        """The document with one more signature of this account."""
        signature = encode64(key.sign(signed_bytes(document)))
        ours = {**document.signatures.get(self.account, {}), f"ed25519:{name}": signature}
        return msgspec.structs.replace(document, signatures={self.account: ours})

    def signed_by_account(self, document: Document) -> Document:
        return self.sign(document, public(self._self_signing), self._self_signing)

    def device_list(self, phones: Sequence[Phone], version: int) -> DeviceList:
        listed = DeviceList(self.account, version, sorted(phone.id for phone in phones), {})
        return self.signed_by_account(listed)

    def identity(self, phones: Sequence[Phone] | None = None, version: int | None = None) -> Identity:
        phones = self.phones if phones is None else phones
        return Identity(
            master_key=self._cross_signing(self._master, "master"),
            self_signing_key=self._cross_signing(self._self_signing, "self_signing"),
            user_signing_key=self._cross_signing(self._user_signing, "user_signing"),
            device_list=self.device_list(phones, version or self.version),
            devices=sorted((phone.keys() for phone in phones), key=lambda keys: keys.device_id),
        )

    def set_devices(self, phones: Sequence[Phone], version: int) -> commands.SetDevices:
        """The command that makes these the devices; `phones` and `version` of this person stay as they are."""
        identity = self.identity(phones, version)
        return commands.SetDevices(random_id(), identity.device_list, identity.devices)

    def _cross_signing(self, key: Ed25519PrivateKey, usage: str) -> CrossSigningKey:
        document = CrossSigningKey(self.account, [usage], {f"ed25519:{public(key)}": public(key)})
        return document if key is self._master else self.sign(document, public(self._master), self._master)


def sealed(size: int = 400, *, algorithm: str = OLM) -> msgspec.Raw:
    """Content of the form that a client seals, around random bytes."""
    message = events.Ciphertext(1, encode64(secrets.token_bytes(size)))
    return msgspec.Raw(msgspec.json.encode(events.Sealed(algorithm, some_key(), {some_key(): message})))


def send(sender: Phone, to: Person, **changes: Any) -> commands.Send:
    """A private message for every device of `to` and every other device of the sender."""
    phones = [*to.phones, *(phone for phone in sender.person.phones if phone is not sender)]
    command = commands.Send(
        id=random_id(),
        to=to.account,
        lists={to.account: to.version, sender.person.account: sender.person.version},
        sealed={phone.id: sealed() for phone in phones},
    )
    return msgspec.structs.replace(command, **changes)
