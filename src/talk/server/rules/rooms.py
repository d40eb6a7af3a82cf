"""Talk in rooms: everybody reads every line, in the order of its sequence number."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from talk.protocol import commands, events
from talk.protocol.errors import Code, Refused
from talk.protocol.ids import hash_id
from talk.protocol.limits import MAX_FRAME
from talk.protocol.text import check_room_text
from talk.server.ports import Appended, AppendRecord, Changed, LeftOff, Record, StartEpoch
from talk.server.rules.decisions import (
    CloseAll,
    Decision,
    Effect,
    Follow,
    Publish,
    Read,
    Records,
    Reply,
    TellOwner,
    WhereLeftOff,
    Write,
)
from talk.server.rules.session import Context, Session

MAX_HISTORY_BYTES = MAX_FRAME // 2


def say(context: Context, session: Session, command: commands.Say) -> Decision:
    _check_room(context, command.room)
    check_room_text(command.text)
    content = msgspec.json.encode(events.TextContent(command.text))
    change = AppendRecord(
        room=command.room,
        id=command.id,
        account=session.account,
        device=session.device,
        at=context.clock(),
        kind=events.TEXT,
        content=content,
        digest=hashlib.sha256(command.room.encode() + b"\n" + content).digest(),
    )

    def then(outcome: Appended) -> list[Effect]:
        stored = Reply(events.Stored(command.id, outcome.at, outcome.seq))
        if not outcome.new:
            return [stored]
        context.directory.advance(command.room, outcome.seq)
        record = Record(
            change.room, outcome.seq, change.id, change.account, change.device, outcome.at, change.kind, content
        )

        def told() -> dict[str, object]:
            return {"from": context.directory.name_of(change.account), "text": command.text, "seq": outcome.seq}

        return [stored, Publish(record), TellOwner("message", told)]

    return Write(change, then)


def resume(context: Context, session: Session, command: commands.Resume) -> Decision:
    """Start passing on what was missed. A cursor beyond the head, or where something else stands than the client had,
    means that the store was set back: a new epoch.
    """
    if command.epoch != context.directory.epoch:
        raise Refused(Code.NEW_EPOCH)
    for room in command.rooms:
        _check_room(context, room)

    def with_today(today: LeftOff) -> Decision:
        if not (_is_beyond(context, command, today) or _is_other(command, today)):
            return [Follow(events.Done(command.id), command.rooms, command.mail, today.mail_head)]
        if not context.directory.may_have_been_restored:
            raise Refused(Code.BAD_REQUEST, detail="a cursor lies where this server never was")
        return new_epoch(context)

    known = {room: seq for room, seq in command.rooms.items() if room in command.room_ids}
    return Read(WhereLeftOff(session.device, command.mail, known), with_today)


def _is_beyond(context: Context, command: commands.Resume, today: LeftOff) -> bool:
    heads = context.directory.rooms
    return command.mail > today.mail_head or any(seq > heads[room].head for room, seq in command.rooms.items())


def _is_other(command: commands.Resume, today: LeftOff) -> bool:
    """Whether something else stands where the client left off. What was removed since cannot be compared."""
    if command.mail_id and today.mail_id not in ("", command.mail_id):
        return True
    return any(id != command.room_ids[room] for room, id in today.room_ids.items())


def new_epoch(context: Context) -> Decision:
    """Begin a new epoch and send everybody to read again."""
    change = StartEpoch(hash_id(context.nonce()))
    # Before it is on disk, so that two who ask at once start one; after a failed commit the directory is made anew.
    context.directory.may_have_been_restored = False

    def then(_: Changed) -> list[Effect]:
        context.directory.epoch = change.epoch
        return [CloseAll(Code.NEW_EPOCH), TellOwner("new_epoch", dict)]

    return Write(change, then)


def history(context: Context, session: Session, command: commands.History) -> Decision:
    _check_room(context, command.room)

    def then(records: list[Record]) -> list[Effect]:
        return [Reply(events.HistoryPage(command.id, _fitting(context, records)))]

    return Read(Records(command.room, command.before, command.limit), then)


def _fitting(context: Context, records: Sequence[Record]) -> list[events.RoomEvent]:
    """The newest of these that fit into one frame."""
    kept: list[events.RoomEvent] = []
    size = 0
    for record in reversed(records):
        size += len(record.content) + 512
        if kept and size > MAX_HISTORY_BYTES:
            break
        kept.append(room_event(context, record))
    return kept[::-1]


def room_event(context: Context, record: Record) -> events.RoomEvent:
    """A record as it is passed on, with its author's name of today."""
    return events.RoomEvent(
        room=record.room,
        seq=record.seq,
        id=record.id,
        account=record.account,
        device=record.device,
        name=context.directory.name_of(record.account),
        at=record.at,
        kind=record.kind,
        content=msgspec.Raw(record.content),
    )


def _check_room(context: Context, room: str) -> None:
    if room not in context.directory.rooms:
        raise Refused(Code.UNKNOWN_ROOM)
