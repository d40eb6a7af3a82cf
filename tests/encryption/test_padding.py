from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.encryption.errors import ContentTooLong
from talk.encryption.messages import seal
from talk.encryption.padding import BUCKETS, pad
from talk.protocol.keys import canonical
from talk.protocol.limits import MAX_NUMBER, MAX_SEALED, MAX_TEXT_BYTES, MAX_TEXT_POINTS
from talk.protocol.text import has_forbidden

from .parties import Party, sealed_of

_points = st.characters(exclude_categories=["Cs"]).filter(lambda char: not has_forbidden(char))
_texts = st.text(_points, min_size=1, max_size=MAX_TEXT_POINTS).filter(lambda text: len(text.encode()) <= 16_000)


def _length(kind: str, content: dict[str, Any]) -> int:
    return len(canonical(content)) + len(canonical(kind))


@given(_texts, st.sampled_from(["talk.text", "talk.receipt", "m.dummy"]))
def test_every_text_fills_the_smallest_bucket_it_fits_into(text: str, kind: str) -> None:
    content = {"id": "a", "text": text, "n": 1}
    padded = pad(kind, content)
    assert {name: value for name, value in padded.items() if name != "pad"} == content
    size = _length(kind, padded)
    bare = _length(kind, {**content, "pad": ""})
    assert size in BUCKETS
    assert not any(bare <= bucket < size for bucket in BUCKETS)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_the_edge_of_each_bucket(bucket: int) -> None:
    room = bucket - _length("talk.text", {"text": "", "pad": ""})
    assert _length("talk.text", pad("talk.text", {"text": "x" * room})) == bucket
    if bucket == BUCKETS[-1]:
        with pytest.raises(ContentTooLong, match="16385 of at most 16384"):
            pad("talk.text", {"text": "x" * (room + 1)})
    else:
        assert _length("talk.text", pad("talk.text", {"text": "x" * (room + 1)})) == 2 * bucket


@pytest.mark.parametrize("char", ["\N{SLICE OF PIZZA}", "\n", '"', "क"])
def test_the_longest_text_fits_into_one_sealed_message(pair: tuple[Party, Party], char: str) -> None:
    alice, bob = pair
    alice.start(bob)
    bob.start(alice)
    count = min(MAX_TEXT_POINTS, MAX_TEXT_BYTES // len(char.encode()))
    text = char * count
    longest_id = "x" * 64
    alice.db.run("UPDATE devices SET sent = ?", MAX_NUMBER - 1)
    content = {"id": longest_id, "to": bob.account, "text": text, "at": MAX_NUMBER, "first_id": "y" * 64}
    sealed = seal(alice.db, bob.account, bob.device, "talk.text", content)
    assert len(sealed) <= MAX_SEALED
    opened = bob.open(alice.mail(sealed, longest_id))
    assert opened.content == content


def test_a_receipt_is_as_long_as_a_text(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    lengths = {
        kind: len(bytes(alice.seal(bob, text, kind=kind).content))
        for kind, text in [("talk.text", "hi"), ("talk.receipt", ""), ("m.dummy", "x" * 100), ("talk.text", "नमस्ते")]
    }
    assert len(set(lengths.values())) == 1


def test_only_the_bucket_shows(talking: tuple[Party, Party]) -> None:
    alice, bob = talking
    sizes = [len(bytes(alice.seal(bob, "x" * length).content)) for length in range(0, 4000, 50)]
    assert len(set(sizes)) == 5
    assert sealed_of(alice.seal(bob)).algorithm == "m.olm.v1.curve25519-aes-sha2"
