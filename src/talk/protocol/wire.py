"""Frames to typed objects and back. Whatever comes in, only `Refused` comes out."""

from __future__ import annotations

from typing import Any

import msgspec

from talk.protocol.commands import Command
from talk.protocol.errors import Code, Malformed, Refused
from talk.protocol.events import Event
from talk.protocol.ids import MessageId
from talk.protocol.json import Reader, quoted

_encoder = msgspec.json.Encoder()
_commands: Reader[Command] = Reader(Command)
_events: Reader[Event] = Reader(Event)


class _Head(msgspec.Struct):
    type: str
    id: Any = None


_head: Reader[_Head] = Reader(_Head)
_COMMAND_TYPES = frozenset(struct.__struct_config__.tag for struct in Command.__args__)


class RefusedFrame(Exception):
    """A frame that could not be read as a command: why, and the id it carried ("" for none)."""

    def __init__(self, reason: Refused, id: str = "") -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.id = id


def encode(frame: Any) -> bytes:
    """The UTF-8 JSON of a command or an event."""
    return _encoder.encode(frame)


def decode_command(data: bytes | str) -> Command:
    """Read one frame of a client.

    Errors: RefusedFrame with MALFORMED, UNKNOWN_COMMAND or BAD_REQUEST.
    """
    try:
        return _commands.read(data)
    except Malformed as error:
        raise _why_refused(data, error) from None


def decode_event(data: bytes | str) -> Event | None:
    """Read one frame of a server; None for a type that this version does not know and may ignore.

    Errors: Malformed.
    """
    try:
        return _events.read(data)
    except Malformed:
        if _is_unknown_event(data):
            return None
        raise


_EVENT_TYPES = frozenset(struct.__struct_config__.tag for struct in Event.__args__)


def _is_unknown_event(data: bytes | str) -> bool:
    try:
        return _head.read(data).type not in _EVENT_TYPES
    except Malformed:
        return False


def _why_refused(data: bytes | str, error: Malformed) -> RefusedFrame:
    try:
        head = _head.read(data)
    except Malformed:
        return RefusedFrame(error)
    if head.type in _COMMAND_TYPES:
        return RefusedFrame(Refused(Code.BAD_REQUEST, detail=error.detail), _message_id(head.id))
    return RefusedFrame(Refused(Code.UNKNOWN_COMMAND, detail=quoted(head.type)), _message_id(head.id))


def _message_id(given: object) -> str:
    try:
        return msgspec.convert(given, MessageId)
    except msgspec.ValidationError:
        return ""
