"""Changes as the rules would make them, with short words in place of hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from talk.server.ports import (
    AccountRow,
    AckMail,
    AddKeys,
    AppendRecord,
    DeliverMail,
    RegisterAccount,
    ReplaceDevices,
)


def register(
    account: str, *, devices: Sequence[str] = (), name: str = "", skeleton: str = "", invite: str = "", at: int = 1
) -> RegisterAccount:
    """An account with the devices given, else one called like it with -1."""
    name = name or account
    listed = {device: f"key of {device}" for device in devices or [f"{account}-1"]}
    row = AccountRow(account, name, skeleton or name.lower(), 1, listed)
    return RegisterAccount(row, f"identity of {account}".encode(), invite, at)


def replace_devices(account: str, version: int, *devices: str) -> ReplaceDevices:
    listed = {device: f"key of {device}" for device in devices}
    return ReplaceDevices(account, version, listed, f"identity of {account}, {version}".encode())


def say(room: str, id: str, text: str = "hello", *, device: str = "alice-1", at: int = 10) -> AppendRecord:
    content = text.encode()
    digest = hashlib.sha256(content).digest()
    return AppendRecord(room, id, device.split("-")[0], device, at, "text", content, digest)


def send(
    id: str,
    to: str = "bob",
    *,
    device: str = "alice-1",
    devices: Sequence[str] = (),
    lists: dict[str, int] | None = None,
    text: str = "sealed",
    at: int = 10,
) -> DeliverMail:
    """A message to the devices given, else to the first one of `to`; both lists are of version 1 unless given."""
    account = device.split("-")[0]
    contents = {target: f"{text} for {target}".encode() for target in devices or [f"{to}-1"]}
    digest = hashlib.sha256(repr(sorted(contents.items())).encode()).digest()
    return DeliverMail(id, account, device, to, at, contents, lists or {to: 1, account: 1}, digest)


def ack(device: str, upto: int, *undecryptable: int, at: int = 20) -> AckMail:
    return AckMail(device.split("-")[0], device, upto, undecryptable, at)


def keys(device: str, *one_time: str, fallback: str = "", replace: bool = False) -> AddKeys:
    given = {key_id: f"key {key_id}".encode() for key_id in one_time}
    return AddKeys(device, given, {fallback: f"key {fallback}".encode()} if fallback else {}, replace)
