"""Public keys to be found: who has which devices, and one-time keys to start a session with each."""

from __future__ import annotations

import msgspec

from talk.protocol import commands, events
from talk.protocol.errors import Code, Refused
from talk.protocol.keys import SignedKey, is_signed
from talk.protocol.limits import MAX_ONE_TIME_KEYS, MAX_QUERY
from talk.server.ports import AddKeys, Claimed, ClaimKeys, KeyCount
from talk.server.rules.decisions import Decision, Effect, Identities, KeysLow, Read, Reply, Write
from talk.server.rules.mailboxes import profile
from talk.server.rules.session import Context, Session

LOW_ON_KEYS = MAX_ONE_TIME_KEYS // 4


def publish(context: Context, session: Session, command: commands.PublishKeys) -> Decision:
    ed25519 = context.directory.accounts[session.account].devices[session.device]
    for key in (*command.one_time.values(), *command.fallback.values()):
        if not is_signed(key, session.account, session.device, ed25519):
            raise Refused(Code.BAD_IDENTITY, detail="a one-time key is not signed by its device")
    if any(key.fallback for key in command.one_time.values()):
        raise Refused(Code.BAD_IDENTITY, detail="a one-time key says that it is a fallback key")
    if not all(key.fallback for key in command.fallback.values()):
        raise Refused(Code.BAD_IDENTITY, detail="a fallback key does not say that it is one")
    change = AddKeys(session.device, _encoded(command.one_time), _encoded(command.fallback), command.replace)

    def then(_: KeyCount) -> list[Effect]:
        return [Reply(events.Done(command.id))]

    return Write(change, then)


def _encoded(keys: dict[str, SignedKey]) -> dict[str, bytes]:
    return {name: msgspec.json.encode(key) for name, key in keys.items()}


def claim(context: Context, session: Session, command: commands.Claim) -> Decision:
    row = context.directory.accounts.get(command.account)
    if row is None:
        raise Refused(Code.UNKNOWN_RECIPIENT)
    devices = tuple(sorted(set(command.devices) & set(row.devices)))

    def then(outcome: Claimed) -> list[Effect]:
        keys = {
            device: {name: msgspec.json.decode(document, type=SignedKey)}
            for device, (name, document) in outcome.keys.items()
        }
        low = [
            KeysLow(device, events.KeysLeft(left.one_time, left.fallback_used))
            for device, left in outcome.left.items()
            if left.one_time < LOW_ON_KEYS
        ]
        return [Reply(events.ClaimedKeys(command.id, keys)), *low]

    return Write(ClaimKeys(devices), then)


def query(context: Context, session: Session, command: commands.Query) -> Decision:
    if len(command.accounts) + len(command.names) > MAX_QUERY:
        raise Refused(Code.BAD_REQUEST, detail=f"at most {MAX_QUERY} accounts and names in one query")
    rows = [context.directory.find(name) for name in command.names]
    named = [row.account for row in rows if row is not None]
    accounts = tuple(dict.fromkeys([*command.accounts, *named]))

    def then(found: dict[str, bytes]) -> list[Effect]:
        profiles = [profile(context, account, document) for account, document in found.items()]
        return [Reply(events.Profiles(command.id, profiles))]

    return Read(Identities(accounts), then)
