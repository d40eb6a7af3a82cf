from __future__ import annotations

import json
from typing import Any

import pytest

from talk.protocol import wire
from talk.protocol.errors import Code
from talk.protocol.limits import (
    MAX_ACK_UNDECRYPTABLE,
    MAX_DEVICES,
    MAX_FRAME,
    MAX_FRAME_BEFORE_LOGIN,
    MAX_HISTORY,
    MAX_NUMBER,
    MAX_ONE_TIME_KEYS,
    MAX_QUERY,
    MAX_SEALED,
    MAX_TEXT_BYTES,
)

from .vectors import vectors

FRAMES = {frame["type"]: frame for frame in vectors("frames")["commands"]}
ROOM = FRAMES["say"]["room"]
ACCOUNT = FRAMES["login"]["account"]
DEVICE = FRAMES["login"]["device"]
[KEY] = FRAMES["publish_keys"]["one_time"].values()


def ids(count: int) -> list[str]:
    digits = "abcdefghijklmnopqrstuvwxyz234567"
    return [ROOM[:29] + digits[n // 1024] + digits[n // 32 % 32] + digits[n % 32] for n in range(count)]


def is_accepted(type_: str, **changes: Any) -> bool:
    try:
        wire.decode_command(json.dumps({**FRAMES[type_], **changes}))
    except wire.RefusedFrame as refused:
        assert refused.reason.code is Code.BAD_REQUEST
        return False
    return True


@pytest.mark.parametrize(
    ("type_", "field", "most"),
    [
        ("hello", "versions", [1] * 16),
        ("register", "name", "x" * 256),
        ("register", "invite", "x" * 128),
        ("resume", "rooms", dict.fromkeys(ids(1_000), 0)),
        ("resume", "mail", MAX_NUMBER),
        ("say", "text", "x" * 4 * MAX_TEXT_BYTES),
        ("send", "sealed", {device: {} for device in ids(2 * MAX_DEVICES)}),
        ("ack", "undecryptable", [1] * MAX_ACK_UNDECRYPTABLE),
        ("publish_keys", "one_time", {f"signed_curve25519:{n}": KEY for n in range(MAX_ONE_TIME_KEYS)}),
        ("publish_keys", "fallback", {"signed_curve25519:x": KEY}),
        ("set_devices", "devices", [FRAMES["set_devices"]["devices"][0]] * MAX_DEVICES),
        ("query", "accounts", [ACCOUNT] * MAX_QUERY),
        ("query", "names", ["x"] * MAX_QUERY),
        ("claim", "devices", [DEVICE] * MAX_DEVICES),
        ("history", "limit", MAX_HISTORY),
        ("rename", "name", "x" * 256),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_every_field_is_bounded(type_: str, field: str, most: Any) -> None:
    assert is_accepted(type_, **{field: most})
    match most:
        case str():
            more: Any = most + "x"
        case list():
            more = [*most, most[0]]
        case dict():
            more = {**most, f"signed_curve25519:{'y' * 20}" if type_ == "publish_keys" else ids(1_024)[-1]: KEY}
        case _:
            more = most + 1
    assert not is_accepted(type_, **{field: more})


@pytest.mark.parametrize(
    ("type_", "field"),
    [("hello", "versions"), ("send", "lists"), ("send", "sealed"), ("claim", "devices")],
)
def test_what_must_not_be_empty(type_: str, field: str) -> None:
    assert not is_accepted(type_, **{field: type(FRAMES[type_][field])()})


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_field_has_its_type(frame: dict[str, Any]) -> None:
    for field in frame:
        if field != "type":
            assert not is_accepted(frame["type"], **{field: 1.5})
            assert not is_accepted(frame["type"], **{field: None})


def test_a_registration_fits_before_the_login() -> None:
    frame = {**FRAMES["register"], "name": "ﷺ" * 32, "invite": "x" * 64}
    assert len(json.dumps(frame).encode()) < MAX_FRAME_BEFORE_LOGIN


def test_the_largest_text_for_the_most_devices_fits_into_a_frame() -> None:
    payload = 16 * 1024 + 2 * 1024  # the largest bucket, and the keys around it
    sealed = payload * 4 // 3 + 1024  # base64, and the JSON around it
    assert sealed < MAX_SEALED
    assert sealed * (2 * MAX_DEVICES - 1) < MAX_FRAME
