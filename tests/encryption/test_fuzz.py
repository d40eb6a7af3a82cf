"""Arbitrary input: only documented errors come out, and nothing changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from talk.encryption.errors import PeerError, Undecryptable
from talk.protocol.events import SEALED, Mail
from talk.protocol.keys import canonical

from .parties import AT, Party, body_of, sealed_of, with_body, with_content

_settings = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_edits = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=5)


def _edited(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for position, value in edits:
        changed[position % len(changed)] = value
    return bytes(changed)


@_settings
@given(st.binary(max_size=3000))
def test_any_content(talking: tuple[Party, Party], data: bytes) -> None:
    alice, bob = talking
    with pytest.raises(PeerError):
        bob.open(Mail(1, "m", alice.account, alice.own.device, "Alice", AT, SEALED, Raw(data)))


@_settings
@given(st.binary(max_size=600), st.integers(0, 1))
def test_any_olm_message(talking: tuple[Party, Party], body: bytes, type: int) -> None:
    alice, bob = talking
    with pytest.raises(Undecryptable):
        bob.open(with_body(alice.mail(_sample(alice, bob), "m"), body, type))


@_settings
@given(_edits, st.booleans())
def test_edits_of_a_real_message(pair: tuple[Party, Party], edits: list[tuple[int, int]], inside: bool) -> None:
    alice, bob = pair
    if not alice.db.one("SELECT 1 FROM sessions"):
        alice.start(bob)
    mail = alice.mail(_sample(alice, bob), "fuzz")
    original = body_of(mail) if inside else bytes(mail.content)
    edited = _edited(original, edits)
    changed = with_body(mail, edited) if inside else with_content(mail, edited)
    try:
        opened = bob.open(changed)
    except PeerError:
        return
    assert opened.content["text"] == "sample", "only the original may come through"


@_settings
@given(
    st.dictionaries(
        st.sampled_from(["type", "content", "sender", "recipient", "recipient_keys", "keys", "sender_device_keys"]),
        _json,
        min_size=1,
    )
)
def test_any_payload_of_a_contact(talking: tuple[Party, Party], changed: dict[str, Any]) -> None:
    alice, bob = talking
    mail = alice.forge(bob, **changed)
    if set(changed) <= {"type", "sender_device_keys"}:
        try:
            bob.open(mail)
        except Undecryptable:
            return
        assert isinstance(changed.get("type", ""), str)
        assert changed.get("sender_device_keys") is None
    else:
        with pytest.raises(Undecryptable):
            bob.open(mail)


@_settings
@given(st.binary(max_size=400))
def test_any_plaintext_of_a_contact(talking: tuple[Party, Party], plain: bytes) -> None:
    alice, bob = talking
    mail = alice.forge_plain(bob, plain)
    with pytest.raises(Undecryptable):
        bob.open(mail)


@_settings
@given(_json)
def test_any_further_content_of_a_contact_is_handed_on(talking: tuple[Party, Party], extra: Any) -> None:
    alice, bob = talking
    mail = alice.forge(bob, content={"n": 1, "pad": extra, "extra": extra})
    with pytest.raises(Undecryptable):
        bob.open(mail)
    send_id = f"fuzz-{mail.n}"
    opened = bob.open(alice.forge(bob, send_id=send_id, content={"id": send_id, "n": 1, "pad": extra, "extra": extra}))
    assert opened.content == {"id": send_id, "extra": msgspec.json.decode(canonical(extra))}


def _sample(alice: Party, bob: Party) -> bytes:
    mail = alice.seal(bob, "sample", send_id="fuzz")
    assert sealed_of(mail)
    return bytes(mail.content)
