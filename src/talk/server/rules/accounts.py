"""Who may come in, and under which name: hello, register, login, rename, the list of devices."""

from __future__ import annotations

import hashlib

import msgspec

from talk.protocol import commands, events
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import encode32, encode64
from talk.protocol.keys import CheckedIdentity, Identity, check_identity, is_signature
from talk.protocol.limits import PROTOCOL_VERSION
from talk.protocol.names import check_name, skeleton, suggestions
from talk.protocol.proofs import Channel, hello_bytes, login_bytes
from talk.server.ports import (
    AccountRow,
    Changed,
    KeyCount,
    RegisterAccount,
    RenameAccount,
    ReplaceDevices,
)
from talk.server.rules.decisions import (
    Arrived,
    CloseDevices,
    Decision,
    Effect,
    Identities,
    KeysLeft,
    Read,
    Renamed,
    Reply,
    TellOwner,
    Write,
)
from talk.server.rules.session import Context, Session

NO_KEYS = KeyCount(0, False)


def token_hash(token: str) -> str:
    """How an invite token is kept: nobody who reads the store can use it."""
    return encode32(hashlib.sha256(token.lower().encode()).digest())


def hello(context: Context, session: Session, command: commands.Hello) -> Decision:
    if session.channel is not None:
        raise Refused(Code.BAD_REQUEST, detail="hello was said before")
    if PROTOCOL_VERSION not in command.versions:
        raise Refused(Code.UNSUPPORTED_VERSION, detail=PROTOCOL_VERSION)
    if command.server not in ("", context.key.id):
        raise Refused(Code.WRONG_SERVER)
    channel = Channel(context.key.id, command.nonce, encode64(context.nonce()), context.certificate)
    session.channel = channel
    answer = events.ServerHello(
        version=PROTOCOL_VERSION,
        server=context.key.id,
        key=context.key.public,
        nonce=channel.server_nonce,
        certificate=channel.certificate,
        signature=context.key.sign(hello_bytes(channel)),
        now=context.clock(),
        invite_needed=context.invite_needed,
    )
    return [Reply(answer)]


def register(context: Context, session: Session, command: commands.Register) -> Decision:
    checked = check_identity(command.identity, context.key.id)
    if len(checked.devices) != 1:
        raise Refused(Code.BAD_IDENTITY, detail="a new account starts with one device")
    device = next(iter(checked.devices))
    _check_proof(session, command.proof, checked.account, device, checked.devices[device].ed25519)
    if checked.account in context.directory.accounts:
        return _let_in(context, session, checked.account, device, command.id)
    name = check_name(command.name)
    if not context.directory.is_free(name):
        raise name_taken(context, name)
    row = AccountRow(checked.account, name, skeleton(name), checked.version, _device_keys(checked))
    invite = _invite_to_use(context, command.invite)
    change = RegisterAccount(row, msgspec.json.encode(command.identity), invite, context.clock())

    def then(_: Changed) -> list[Effect]:
        if checked.account not in context.directory.accounts:
            context.directory.put(row)
            context.directory.use_invite(invite)
        return _arrive(context, session, checked.account, device, command.id, NO_KEYS)

    def refused(code: Code) -> Decision:
        raise name_taken(context, name) if code is Code.NAME_TAKEN else Refused(code)

    return Write(change, then, refused)


def _invite_to_use(context: Context, token: str) -> str:
    if not context.invite_needed:
        return ""
    if not token:
        raise Refused(Code.INVITE_NEEDED)
    hashed = token_hash(token)
    invite = context.directory.invites.get(hashed)
    if invite is None or invite.uses_left < 1 or invite.expires <= context.clock():
        raise Refused(Code.INVITE_INVALID)
    return hashed


def name_taken(context: Context, name: str) -> Refused:
    """The refusal of a name that somebody holds, with names that are free."""
    return Refused(Code.NAME_TAKEN, name=name, suggestions=suggestions(name, context.directory.is_free))


def login(context: Context, session: Session, command: commands.Login) -> Decision:
    row = context.directory.accounts.get(command.account)
    if row is None:
        raise Refused(Code.UNKNOWN_ACCOUNT)
    key = row.devices.get(command.device)
    if key is None:
        raise Refused(Code.UNKNOWN_DEVICE)
    _check_proof(session, command.proof, command.account, command.device, key)
    return _let_in(context, session, command.account, command.device, command.id)


def _check_proof(session: Session, proof: str, account: str, device: str, key: str) -> None:
    if session.channel is None:
        raise Refused(Code.HELLO_FIRST)
    if not is_signature(key, proof, login_bytes(session.channel, account, device)):
        raise Refused(Code.BAD_PROOF)


def _let_in(context: Context, session: Session, account: str, device: str, id: str) -> Decision:
    _check_entry(context, session, account, device)
    return Read(KeysLeft(device), lambda keys: _arrive(context, session, account, device, id, keys))


def _check_entry(context: Context, session: Session, account: str, device: str) -> AccountRow:
    row = context.directory.accounts[account]
    if device not in row.devices:
        raise Refused(Code.UNKNOWN_DEVICE)
    if row.banned:
        raise Refused(Code.BANNED)
    if session.logged_in:
        raise Refused(Code.ALREADY_LOGGED_IN)
    return row


def _arrive(context: Context, session: Session, account: str, device: str, id: str, keys: KeyCount) -> list[Effect]:
    # Again: while the store was asked, the owner may have banned them, or the same connection logged in.
    row = _check_entry(context, session, account, device)
    rooms = [events.Room(room.room, room.name, room.head) for room in context.directory.rooms.values()]
    welcome = events.Welcome(
        id=id,
        account=row.account,  # the directory's own text, which the session holds from now on
        name=row.name,
        epoch=context.directory.epoch,
        rooms=rooms,
        one_time_keys=keys.one_time,
        fallback_used=keys.fallback_used,
    )
    return [Arrived(device, welcome)]


def rename(context: Context, session: Session, command: commands.Rename) -> Decision:
    name = check_name(command.name)
    holder = context.directory.holder(name)
    if holder is not None and holder.account != session.account:
        raise name_taken(context, name)
    before = context.directory.name_of(session.account)

    def then(_: Changed) -> list[Effect]:
        context.directory.update(session.account, name=name)
        told = TellOwner("renamed", lambda: {"from": before, "to": name})
        return [Reply(events.Done(command.id)), Renamed(session.account), told]

    def refused(code: Code) -> Decision:
        raise name_taken(context, name) if code is Code.NAME_TAKEN else Refused(code)

    return Write(RenameAccount(session.account, name, skeleton(name)), then, refused)


def set_devices(context: Context, session: Session, command: commands.SetDevices) -> Decision:
    """Check a newer device list against the account's own keys, put it in place, and close devices that are off it."""

    def with_identity(found: dict[str, bytes]) -> Decision:
        known = msgspec.json.decode(found[session.account], type=Identity)
        identity = msgspec.structs.replace(known, device_list=command.device_list, devices=command.devices)
        checked = check_identity(identity, context.key.id)
        if session.device not in checked.devices:
            raise Refused(Code.BAD_IDENTITY, detail="a device cannot take itself off the list")
        change = ReplaceDevices(session.account, checked.version, _device_keys(checked), msgspec.json.encode(identity))

        def then(_: Changed) -> list[Effect]:
            gone = sorted(set(context.directory.accounts[session.account].devices) - set(checked.devices))
            context.directory.update(session.account, version=checked.version, devices=change.devices)
            return [Reply(events.Done(command.id)), CloseDevices(gone, Code.UNKNOWN_DEVICE)]

        return Write(change, then)

    return Read(Identities((session.account,)), with_identity)


def _device_keys(checked: CheckedIdentity) -> dict[str, str]:
    return {device.id: device.ed25519 for device in checked.devices.values()}
