from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from talk.protocol.errors import Code, Refused
from talk.protocol.ids import account_id, encode64
from talk.protocol.keys import (
    OLM,
    DeviceKeys,
    Identity,
    SignedKey,
    canonical,
    check_device,
    check_identity,
    is_signature,
    is_signed,
    signed_bytes,
)
from talk.protocol.limits import MAX_DEVICES

from .identities import (
    ACCOUNT,
    DEVICES,
    IDENTITY,
    MASTER,
    SELF_SIGNING,
    SERVER,
    USER_SIGNING,
    Change,
    change_device,
    cross_signing,
    device_id,
    device_keys,
    make_identity,
    public,
    seed,
    sign,
    sign_anew,
)
from .vectors import vectors

CANONICAL = vectors("canonical")
STRANGER = seed(9)
SELF = public(SELF_SIGNING)
FIRST = device_id(DEVICES[0])


@pytest.mark.parametrize("vector", CANONICAL["documents"], ids=lambda vector: ascii(vector["canonical"])[:40])
def test_canonical_json_is_matrix_s(vector: dict[str, Any]) -> None:
    assert canonical(vector["document"]) == vector["canonical"].encode()


def test_types_are_written_like_any_other_document() -> None:
    assert canonical(IDENTITY) == canonical(msgspec.to_builtins(IDENTITY))
    assert canonical(IDENTITY).startswith(b'{"device_list":{"devices":[')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_is_what_python_s_own_writer_gives(value: object) -> None:
    other = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value) == other.encode()
    assert canonical(json.loads(canonical(value))) == canonical(value)


@pytest.mark.parametrize("vector", CANONICAL["signed"], ids=str)
def test_signatures_are_matrix_s(vector: dict[str, Any]) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(CANONICAL["signing_seed"]))
    message = canonical(vector["document"])
    assert encode64(key.sign(message)) == vector["signature"]
    assert is_signature(public(key), vector["signature"], message)
    assert not is_signature(public(key), vector["signature"], message + b" ")
    assert not is_signature(public(STRANGER), vector["signature"], message)


@pytest.mark.parametrize("bad", ["", "A", "é", "A" * 42 + "B", "=" * 86])
def test_a_key_or_signature_of_another_form_is_no_signature(bad: str) -> None:
    assert not is_signature(bad, "A" * 86, b"x")
    assert not is_signature(public(MASTER), bad, b"x")


def test_signed_bytes_leave_out_the_signatures_only() -> None:
    key = SignedKey("A" * 43, {ACCOUNT: {"ed25519:x": "B" * 86}})
    assert signed_bytes(key) == b'{"key":"' + b"A" * 43 + b'"}'
    assert signed_bytes(replace(key, fallback=True)) == b'{"fallback":true,"key":"' + b"A" * 43 + b'"}'


def test_a_signature_counts_for_its_account_key_and_document() -> None:
    document = device_keys(DEVICES[0])
    assert is_signed(document, ACCOUNT, SELF, SELF)
    assert not is_signed(document, account_id(b"x", SERVER), SELF, SELF)
    assert not is_signed(document, ACCOUNT, "other", SELF)
    assert not is_signed(document, ACCOUNT, SELF, public(STRANGER))
    assert not is_signed(replace(document, algorithms=[OLM, "x"]), ACCOUNT, SELF, SELF)


def test_a_whole_identity_is_what_it_says() -> None:
    checked = check_identity(make_identity(version=7), SERVER)
    assert checked.account == ACCOUNT
    assert (checked.master, checked.self_signing) == (public(MASTER), SELF)
    assert checked.version == 7
    assert set(checked.devices) == {device_id(key) for key in DEVICES}
    assert all(checked.devices[device_id(key)].ed25519 == public(key) for key in DEVICES)


def test_the_identity_of_the_vectors_holds_together() -> None:
    vector = vectors("identity")
    identity = msgspec.convert(vector["identity"], Identity)
    assert check_identity(identity, vector["server"]).account == vector["account"]
    assert identity == IDENTITY


def test_an_account_without_devices_holds_together() -> None:
    listed = sign_anew(IDENTITY.device_list, SELF, SELF_SIGNING, devices=[])
    assert check_identity(replace(IDENTITY, devices=[], device_list=listed), SERVER).devices == {}


def with_device(**changes: Any) -> Change:
    """The identity whose first device says something else, all signed again."""

    def change(identity: Identity) -> Identity:
        others = [keys for keys in identity.devices if keys.device_id != FIRST]
        changed = change_device(device_keys(DEVICES[0]), DEVICES[0], **changes)
        return replace(identity, devices=sorted([*others, changed], key=lambda keys: keys.device_id))

    return change


def with_list(**changes: Any) -> Change:
    return lambda identity: replace(
        identity, device_list=sign_anew(identity.device_list, SELF, SELF_SIGNING, **changes)
    )


def with_keys(**changes: Any) -> Change:
    return lambda identity: replace(identity, **changes)


# The last character of a key carries two bits that mean nothing: another spelling of the same bytes.
def respelt(key: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return key[:-1] + alphabet[alphabet.index(key[-1]) + 1]


OTHER_ACCOUNT = account_id(b"x", SERVER)
LISTED = IDENTITY.device_list.devices
WRONG: dict[str, tuple[Change, str]] = {
    "other master": (
        with_keys(master_key=replace(cross_signing(MASTER, "master"), keys={f"ed25519:{'A' * 43}": "A" * 43})),
        "not the hash of its master key",
    ),
    "other account in the master key": (
        with_keys(master_key=replace(cross_signing(MASTER, "master"), user_id=OTHER_ACCOUNT)),
        "not the hash of its master key",
    ),
    "respelt master key": (
        with_keys(
            master_key=replace(
                cross_signing(MASTER, "master"), keys={f"ed25519:{respelt(public(MASTER))}": respelt(public(MASTER))}
            )
        ),
        "a key is not of the right form",
    ),
    "wrong usage": (with_keys(master_key=replace(cross_signing(MASTER, "master"), usage=["x"])), "master key is not"),
    "key under another name": (
        with_keys(master_key=replace(cross_signing(MASTER, "master"), keys={"ed25519:x": public(MASTER)})),
        "master key is not",
    ),
    "self-signing key of another account": (
        with_keys(self_signing_key=replace(cross_signing(SELF_SIGNING, "self_signing"), user_id=OTHER_ACCOUNT)),
        "self_signing key is another account's",
    ),
    "unsigned self-signing key": (
        with_keys(self_signing_key=replace(cross_signing(SELF_SIGNING, "self_signing"), signatures={})),
        "self_signing key is not signed",
    ),
    "self-signing key used as another": (
        with_keys(self_signing_key=cross_signing(SELF_SIGNING, "user_signing")),
        "self_signing key is not of the right form",
    ),
    "user-signing key of a stranger": (
        with_keys(user_signing_key=sign_anew(cross_signing(USER_SIGNING, "user_signing"), public(STRANGER), STRANGER)),
        "user_signing key is not signed",
    ),
    "respelt user-signing key": (
        with_keys(
            user_signing_key=sign_anew(
                cross_signing(USER_SIGNING, "user_signing"),
                public(MASTER),
                MASTER,
                keys={f"ed25519:{respelt(public(USER_SIGNING))}": respelt(public(USER_SIGNING))},
            )
        ),
        "a key is not of the right form",
    ),
    "list of another account": (with_list(user_id=OTHER_ACCOUNT), "list is another account's"),
    "unsigned list": (with_keys(device_list=replace(IDENTITY.device_list, version=2)), "list is not signed"),
    "list signed by the master key": (
        with_keys(device_list=sign_anew(IDENTITY.device_list, public(MASTER), MASTER)),
        "list is not signed",
    ),
    "list out of order": (with_list(devices=LISTED[::-1]), "not sorted"),
    "list with a repetition": (with_list(devices=sorted([*LISTED, LISTED[0]])), "not sorted"),
    "a device too few on the list": (with_list(devices=LISTED[:1]), "not those of the device list"),
    "a device too many on the list": (
        with_list(devices=sorted([*LISTED, device_id(STRANGER)])),
        "not those of the device list",
    ),
    "a device less": (lambda identity: replace(identity, devices=identity.devices[:1]), "not those of the device list"),
    "a device twice": (
        lambda identity: replace(identity, devices=[*identity.devices, identity.devices[0]]),
        "not those of the device list",
    ),
    "device of another account": (with_device(user_id=OTHER_ACCOUNT), "a device is another account's"),
    "device without keys": (with_device(keys={}), "lacks its keys"),
    "device without one key": (with_device(keys={f"ed25519:{FIRST}": public(DEVICES[0])}), "lacks its keys"),
    "device without Olm": (with_device(algorithms=["x"]), "lacks its keys"),
    "device with another's key": (
        with_device(keys={f"ed25519:{FIRST}": public(STRANGER), f"curve25519:{FIRST}": "A" * 43}),
        "not the hash of its key",
    ),
    "device with a respelt curve key": (
        with_device(keys={f"ed25519:{FIRST}": public(DEVICES[0]), f"curve25519:{FIRST}": respelt("A" * 43)}),
        "a key is not of the right form",
    ),
}


@pytest.mark.parametrize(("change", "why"), WRONG.values(), ids=WRONG)
def test_what_does_not_hold_together_is_refused(change: Change, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        check_identity(change(IDENTITY), SERVER)
    assert refused.value.code is Code.BAD_IDENTITY


def test_another_server_s_account_is_refused() -> None:
    with pytest.raises(Refused, match="not the hash"):
        check_identity(IDENTITY, "a" * 32)


@pytest.mark.parametrize(
    ("strip", "why"),
    [
        (lambda keys: sign_anew(keys, SELF, SELF_SIGNING), "not signed by itself"),
        (lambda keys: sign_anew(keys, FIRST, DEVICES[0]), "not signed by its account"),
        (lambda keys: sign(sign_anew(keys, FIRST, STRANGER), SELF, SELF_SIGNING), "not signed by itself"),
        (lambda keys: sign(sign_anew(keys, FIRST, DEVICES[0]), SELF, STRANGER), "not signed by its account"),
        (lambda keys: replace(keys, signatures={}), "not signed by itself"),
    ],
    ids=["account only", "device only", "stranger for the device", "stranger for the account", "none"],
)
def test_a_device_needs_both_signatures(strip: Callable[[DeviceKeys], DeviceKeys], why: str) -> None:
    keys = device_keys(DEVICES[0])
    assert check_device(keys, ACCOUNT, SELF).id == FIRST
    with pytest.raises(Refused, match=why):
        check_device(strip(keys), ACCOUNT, SELF)


def _paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    match value:
        case dict():
            return [path, *(deep for name, inner in value.items() for deep in _paths(inner, (*path, name)))]
        case list():
            return [path, *(deep for place, inner in enumerate(value) for deep in _paths(inner, (*path, place)))]
        case _:
            return [path]


PATHS = [path for path in _paths(msgspec.to_builtins(IDENTITY)) if path]
KEY = st.text("ABCDabcd0189+/", min_size=43, max_size=43)
VALUES = st.one_of(json_values, KEY, st.just(ACCOUNT), st.sampled_from(LISTED), st.just([]), st.just({}))


@given(st.sampled_from(PATHS), VALUES, st.booleans())
def test_a_changed_document_is_malformed_or_refused(path: tuple[Any, ...], value: object, remove: bool) -> None:
    document = msgspec.to_builtins(IDENTITY)
    *before, last = path
    place = document
    for step in before:
        place = place[step]
    if remove:
        del place[last]
    else:
        place[last] = value
    try:
        changed = msgspec.json.decode(msgspec.json.encode(document), type=Identity)
    except msgspec.ValidationError:
        return
    try:
        checked = check_identity(changed, SERVER)
    except Refused as refused:
        assert refused.code is Code.BAD_IDENTITY
        return
    # Signatures that nobody asks for may come and go; what is certain stays the same.
    assert checked == check_identity(IDENTITY, SERVER)


@given(st.sampled_from([path for path in PATHS if path[-1] != "signatures" and "signatures" not in path]), KEY)
def test_no_field_can_be_changed_without_its_signature(path: tuple[Any, ...], value: str) -> None:
    document = msgspec.to_builtins(IDENTITY)
    *before, last = path
    place = document
    for step in before:
        place = place[step]
    if not isinstance(place[last], str):
        return
    place[last] = value
    with pytest.raises((Refused, msgspec.ValidationError)):
        check_identity(msgspec.convert(document, Identity), SERVER)


def test_an_identity_has_a_bounded_number_of_devices() -> None:
    document = msgspec.to_builtins(IDENTITY)
    document["devices"] = document["devices"][:1] * (MAX_DEVICES + 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Identity)
