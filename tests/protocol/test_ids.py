from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talk.protocol import ids

from .vectors import vectors

VECTORS = vectors("ids")
HASH = "mzuhvlpymk6xo3epygfy5h4oeaejofef"


@pytest.mark.parametrize("vector", VECTORS["hashes"], ids=str)
def test_an_id_is_the_hash_of_a_key(vector: dict[str, str]) -> None:
    assert ids.hash_id(bytes.fromhex(vector["key"])) == vector["id"]


def test_an_account_is_named_by_its_master_key_and_its_server() -> None:
    proofs = vectors("proofs")
    assert ids.account_id(ids.decode64(proofs["master_key"]), proofs["server"]) == proofs["account"]
    assert ids.hash_id(ids.decode64(proofs["server_key"])) == proofs["server"]
    assert ids.hash_id(ids.decode64(proofs["device_key"])) == proofs["device"]


def test_random_ids_differ_and_have_the_form_of_every_id() -> None:
    made = {ids.random_id() for _ in range(50)}
    assert len(made) == 50
    for each in made:
        assert msgspec.convert(each, ids.RoomId) == msgspec.convert(each, ids.MessageId) == each


@pytest.mark.parametrize("vector", VECTORS["base64"], ids=str)
def test_base64_is_unpadded(vector: dict[str, str]) -> None:
    data = bytes.fromhex(vector["bytes"])
    assert ids.encode64(data) == vector["text"]
    assert ids.decode64(vector["text"]) == data


@pytest.mark.parametrize("text", VECTORS["not_base64"], ids=ascii)
def test_only_one_spelling_of_base64_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        ids.decode64(text)


@given(st.binary(max_size=100))
def test_base64_and_base32_read_back(data: bytes) -> None:
    assert ids.decode64(ids.encode64(data)) == data
    assert set(ids.encode32(data)) <= set("abcdefghijklmnopqrstuvwxyz234567")


@given(st.text(max_size=60))
def test_any_text_is_base64_or_a_value_error(text: str) -> None:
    try:
        data = ids.decode64(text)
    except ValueError:
        return
    assert ids.encode64(data) == text


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ids.ServerId, [HASH], ["", HASH[1:], HASH + "a", HASH.upper(), HASH[:-1] + "1", HASH + "\n"]),
        (ids.AnyServerId, [HASH, ""], [HASH[1:], "\n", HASH + "\n"]),
        (ids.AccountId, [f"@{HASH}:{HASH}"], [HASH, f"{HASH}:{HASH}", f"@{HASH}:{HASH}:", f"@{HASH}:{HASH}\n"]),
        (ids.MessageId, ["a", "A-z_0", "x" * 64], ["", "x" * 65, "a b", "a\n", "ä", "a/b"]),
        (ids.OptionalId, ["", "a", "x" * 64], ["x" * 65, "a b", "a\n", "\n"]),
    ],
    ids=["server", "any server", "account", "message", "optional"],
)
def test_ids_of_another_form_are_refused(kind: object, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert msgspec.json.decode(msgspec.json.encode(text), type=kind) == text
    for text in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(msgspec.json.encode(text), type=kind)


def test_account_ids_are_told_from_other_texts() -> None:
    assert ids.is_account_id(f"@{HASH}:{HASH}")
    assert not ids.is_account_id(f"@{HASH}:{HASH}\n")
    assert not ids.is_account_id("@bob")


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\n", None, 1, [], {"a": "b"}, [[[]]]])
def test_what_is_no_message_id(given: object) -> None:
    assert ids.is_message_id("a-B_9")
    assert not ids.is_message_id(given)
