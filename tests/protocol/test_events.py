from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from talk.protocol import events, wire
from talk.protocol.errors import Code, Malformed
from talk.protocol.limits import MAX_NUMBER

from .vectors import vectors

FRAMES = vectors("frames")["events"]
[SEALED] = [frame["content"] for frame in FRAMES if frame.get("kind") == events.SEALED]
[NOTICE] = [frame["content"] for frame in FRAMES if frame.get("kind") == events.UNDECRYPTABLE]


def test_what_is_not_said_of_an_answer_is_its_default() -> None:
    assert wire.encode(events.Error("x", "y")) == b'{"type":"error","code":"x","message":"y"}'
    assert wire.encode(events.Stored("m1", 5)) == b'{"type":"stored","id":"m1","at":5}'
    assert wire.decode_event(b'{"type":"stored","id":"m1","at":5}') == events.Stored("m1", 5, 0)


def test_an_error_code_of_a_newer_server_is_read() -> None:
    error = wire.decode_event(b'{"type":"error","code":"too_sunny","message":"Wait for rain."}')
    assert isinstance(error, events.Error)
    assert error.code not in set(Code)
    assert not error.retryable


@pytest.mark.parametrize("field", ["seq", "id", "account", "device", "room", "at", "kind", "content"])
def test_a_room_event_is_whole(field: str) -> None:
    frame = dict(next(frame for frame in FRAMES if frame["type"] == "event"))
    del frame[field]
    with pytest.raises(Malformed):
        wire.decode_event(json.dumps(frame))


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1, 2**64, 1.5, "1"])
def test_numbers_stay_exact(number: Any) -> None:
    frame = next(frame for frame in FRAMES if frame["type"] == "event")
    with pytest.raises(Malformed):
        wire.decode_event(json.dumps({**frame, "seq": number}))


def test_sealed_content_is_for_one_device_by_a_known_kind_of_message() -> None:
    sealed = msgspec.convert(SEALED, events.Sealed)
    assert sealed.algorithm == events.SEALED_ALGORITHM
    [(key, message)] = SEALED["ciphertext"].items()
    for ciphertext in ({}, {key: message, "A" * 43: message}, {"short": message}, {key: {**message, "type": 2}}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**SEALED, "ciphertext": ciphertext}, events.Sealed)


def test_a_notice_names_a_message_and_a_device() -> None:
    notice = msgspec.convert(NOTICE, events.NoticeContent)
    assert (notice.id, notice.device) == (NOTICE["id"], NOTICE["device"])


def test_the_kinds_have_different_names() -> None:
    assert len({events.SEALED, events.UNDECRYPTABLE, events.EXPIRED, events.TEXT}) == 4
