from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol import commands, events, wire
from talk.protocol.errors import Code, Malformed, Refused

from .vectors import vectors

FRAMES = vectors("frames")
COMMANDS = {type(wire.decode_command(json.dumps(frame))) for frame in FRAMES["commands"]}
KNOWN = [json.dumps(frame).encode() for frame in FRAMES["commands"] + FRAMES["events"]]


@pytest.mark.parametrize("frame", FRAMES["commands"], ids=lambda frame: frame["type"])
def test_a_command_reads_back(frame: dict[str, Any]) -> None:
    command = wire.decode_command(json.dumps(frame))
    assert json.loads(wire.encode(command)) == frame
    assert wire.decode_command(wire.encode(command)) == command


@pytest.mark.parametrize("frame", FRAMES["events"], ids=lambda frame: frame["type"])
def test_an_event_reads_back(frame: dict[str, Any]) -> None:
    event = wire.decode_event(json.dumps(frame).encode())
    assert event is not None
    assert json.loads(wire.encode(event)) == frame
    assert wire.decode_event(wire.encode(event)) == event


def test_the_vectors_hold_every_command_and_event() -> None:
    assert set(commands.Command.__args__) == COMMANDS
    known = {type(wire.decode_event(json.dumps(frame))) for frame in FRAMES["events"]}
    assert set(events.Event.__args__) - {commands.Ping, commands.Pong} == known


@pytest.mark.parametrize("frame", FRAMES["commands"] + FRAMES["events"], ids=lambda frame: frame["type"])
def test_unknown_fields_are_ignored(frame: dict[str, Any]) -> None:
    decode = wire.decode_command if frame in FRAMES["commands"] else wire.decode_event
    assert decode(json.dumps({**frame, "new_field": {"a": [1]}})) == decode(json.dumps(frame))


@pytest.mark.parametrize("vector", FRAMES["refused"], ids=lambda vector: vector["text"][:50])
def test_a_frame_that_is_no_command_is_refused_with_its_id(vector: dict[str, str]) -> None:
    with pytest.raises(wire.RefusedFrame) as refused:
        wire.decode_command(vector["text"])
    assert refused.value.reason.code == vector["code"]
    assert refused.value.id == vector["id"]
    assert str(refused.value) == str(refused.value.reason)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b'{"type":"say","id":"\xff"}',
        '{"type":"\ud800"}',
        b'{"type":"\\ud800"}',
        b"[" * 100_000,
        b'{"type":"ping","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"type":' + b'"x' * 100_000,
        b"\x00" * 100,
    ],
    ids=lambda data: ascii(data)[:30],
)
def test_bytes_that_are_no_text_are_malformed_for_both_sides(data: bytes | str) -> None:
    with pytest.raises(wire.RefusedFrame) as refused:
        wire.decode_command(data)
    assert refused.value.reason.code in (Code.MALFORMED, Code.UNKNOWN_COMMAND)
    with pytest.raises(Malformed):
        wire.decode_event(data)


@pytest.mark.parametrize("end", ['"}', '"', '","id":'])
def test_a_refusal_is_short_and_safe_for_a_terminal(end: str) -> None:
    with pytest.raises(wire.RefusedFrame) as refused:
        wire.decode_command(r'{"type":"\u001b[2J\u202e' + "x" * 10_000 + end)
    sentence = str(refused.value)
    assert len(sentence) < 400
    assert "\x1b" not in sentence
    assert "\u202e" not in sentence


def test_an_event_of_an_unknown_type_is_nothing() -> None:
    assert wire.decode_event(b'{"type":"confetti","of":[1,2]}') is None


@pytest.mark.parametrize("text", ["{}", "[]", "null", "7", "", '{"type":7}', '{"type":"done"}', '{"type":"gap"'])
def test_an_event_of_another_form_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        wire.decode_event(text)


def test_an_unknown_kind_of_room_event_is_an_event() -> None:
    [poll] = [frame for frame in FRAMES["events"] if frame.get("kind") == "talk.poll"]
    event = wire.decode_event(json.dumps(poll))
    assert isinstance(event, events.RoomEvent)
    assert bytes(event.content) == b'{"new": [1]}'


def test_sealed_content_is_kept_as_the_bytes_it_came_as() -> None:
    [send] = [frame for frame in FRAMES["commands"] if frame["type"] == "send"]
    [device] = send["sealed"]
    odd = '{ "algorithm" : "x",  "new":1e2 }'
    text = json.dumps({**send, "sealed": {device: "HERE"}}).replace('"HERE"', odd)
    command = wire.decode_command(text)
    assert isinstance(command, commands.Send)
    assert bytes(command.sealed[device]) == odd.encode()


def _mutated(data: bytes, place: int, byte: int, cut: bool) -> bytes:
    at = place % len(data)
    return data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]


near_frames = st.builds(_mutated, st.sampled_from(KNOWN), st.integers(0, 100_000), st.integers(0, 255), st.booleans())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
)


@st.composite
def frames_with_a_strange_field(draw: st.DrawFn) -> bytes:
    frame = draw(st.sampled_from(FRAMES["commands"] + FRAMES["events"]))
    return json.dumps({**frame, draw(st.sampled_from(sorted(frame))): draw(json_values)}).encode()


@given(st.binary(max_size=300) | near_frames | frames_with_a_strange_field())
def test_any_bytes_are_a_command_or_a_refused_frame(data: bytes) -> None:
    try:
        command = wire.decode_command(data)
    except wire.RefusedFrame as refused:
        assert isinstance(refused.reason, Refused)
        assert len(refused.id) <= 64
        str(refused).encode()
        return
    assert wire.decode_command(wire.encode(command)) == command


@given(st.binary(max_size=300) | near_frames | frames_with_a_strange_field())
def test_any_bytes_are_an_event_nothing_or_malformed(data: bytes) -> None:
    try:
        event = wire.decode_event(data)
    except Malformed as error:
        str(error).encode()
        return
    if event is not None:
        assert wire.decode_event(wire.encode(event)) == event
