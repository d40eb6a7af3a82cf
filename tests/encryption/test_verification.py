"""Comparing emoji: against a second reckoning of the specification, with each step wrong, and with somebody between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from talk.encryption import contacts
from talk.encryption import verification_messages as messages
from talk.encryption.database import migrate, open_database
from talk.encryption.errors import VerificationFailed
from talk.encryption.sas_emoji import SAS_EMOJI, hindi_name
from talk.encryption.tables import MIGRATIONS
from talk.encryption.verification import Side, Verification, own_side, their_side
from talk.encryption.verification_messages import VerificationMessage
from talk.protocol.ids import account_id, encode64, hash_id
from talk.protocol.keys import canonical

from .parties import AT, SERVER, Party

Content = dict[str, Any]


def side(seed: str) -> Side:
    master, device = (hashlib.sha256(f"{seed} {what}".encode()).digest() for what in ("master", "device"))
    return Side(account_id(master, SERVER), hash_id(device), encode64(device), encode64(master))


def known(other: Side) -> Side:
    """What the other one knows of this side."""
    return replace(other, master="")


# SHA-256 of the table's lines, emoji and English name.
TABLE = "7e50e296e6b7859d8d931b8fb6c65301a438cb1a3e0c549fe0b232b70f9a2566"
# The one with the smaller account first.
ALICE, BOB = sorted((side("alice"), side("bob")), key=lambda each: each.account)


def pair(transaction: str = "t") -> tuple[Verification, Verification]:
    return Verification(ALICE, known(BOB), transaction), Verification(BOB, known(ALICE), transaction)


def wire(sent: list[VerificationMessage]) -> list[tuple[str, Content]]:
    """As it arrives: with what the client adds around it."""
    return [
        (message.kind, msgspec.json.decode(canonical({**message.content, "id": "x", "to": "@a", "to_device": "b"})))
        for message in sent
    ]


def carry(sent: list[VerificationMessage], receiver: Verification, sender: Verification) -> None:
    """Pass messages on, and the answers to them, until nothing is said any more."""
    for kind, content in wire(sent):
        carry(receiver.take(kind, content), sender, receiver)


def shown() -> tuple[Verification, Verification]:
    alice, bob = pair()
    carry([alice.start()], bob, alice)
    return alice, bob


class Reckoned:
    """Bob by the words of the specification, with another library: he answers what Alice has started."""

    def __init__(self, start: Content, us: Side = BOB, them: Side = ALICE) -> None:
        self.us, self.them, self.start = us, them, start
        self.private = X25519PrivateKey.generate()
        self.key = unpadded(self.private.public_key().public_bytes_raw())

    def accept(self, **changed: Any) -> Content:
        commitment = hashlib.sha256(self.key.encode() + canonical(self.start)).digest()
        content = {
            "transaction_id": "t",
            "method": "m.sas.v1",
            "key_agreement_protocol": "curve25519-hkdf-sha256",
            "hash": "sha256",
            "message_authentication_code": "hkdf-hmac-sha256.v2",
            "short_authentication_string": ["decimal", "emoji"],
            "commitment": unpadded(commitment),
        }
        return content | changed

    def meet(self, their_key: str) -> None:
        public = X25519PublicKey.from_public_bytes(base64.b64decode(their_key + "="))
        self.shared = self.private.exchange(public)
        ours, theirs = (self.us.account, self.us.device, self.key), (self.them.account, self.them.device, their_key)
        self.info = "|".join(("MATRIX_KEY_VERIFICATION_SAS", *theirs, *ours, "t"))

    def derived(self, info: str, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info.encode()).derive(self.shared)

    def emoji(self) -> list[int]:
        bits = int.from_bytes(self.derived(self.info, 6), "big")
        return [bits >> shift & 63 for shift in range(42, 0, -6)]

    def numbers(self) -> tuple[int, ...]:
        b = self.derived(self.info, 5)
        return (
            (b[0] << 5 | b[1] >> 3) + 1000,
            ((b[1] & 0x7) << 10 | b[2] << 2 | b[3] >> 6) + 1000,
            ((b[3] & 0x3F) << 7 | b[4] >> 1) + 1000,
        )

    def mac_of(self, name: str, what: str, sender: Side, receiver: Side) -> str:
        ids = sender.account + sender.device + receiver.account + receiver.device
        key = self.derived(f"MATRIX_KEY_VERIFICATION_MAC{ids}t{name}", 32)
        return unpadded(hmac.digest(key, what.encode(), "sha256"))

    def mac(self, keys: dict[str, str] | None = None) -> Content:
        if keys is None:
            keys = {f"ed25519:{self.us.device}": self.us.ed25519, f"ed25519:{self.us.master}": self.us.master}
        mac = {name: self.mac_of(name, key, self.us, self.them) for name, key in keys.items()}
        names = self.mac_of("KEY_IDS", ",".join(sorted(keys)), self.us, self.them)
        return {"transaction_id": "t", "mac": mac, "keys": names}


def unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def reckoned() -> tuple[Verification, Reckoned]:
    """Alice's real side and Bob's reckoned one; both have both keys."""
    alice, _ = pair()
    bob = Reckoned(wire([alice.start()])[0][1])
    bob.start = messages.without_own_fields(bob.start)
    [key] = alice.take(messages.ACCEPT, bob.accept())
    bob.meet(key.content["key"])
    assert alice.take(messages.KEY, {"transaction_id": "t", "key": bob.key}) == []
    return alice, bob


def code_of(verification: Verification, kind: str, content: Content) -> str:
    with pytest.raises(VerificationFailed) as failed:
        verification.take(kind, content)
    return failed.value.code


# ---- the specification


def test_the_table_is_the_specifications() -> None:
    assert len(SAS_EMOJI) == len({emoji for emoji, _, _ in SAS_EMOJI}) == 64
    assert len({english for _, english, _ in SAS_EMOJI}) == len({hindi for _, _, hindi in SAS_EMOJI}) == 64
    assert [SAS_EMOJI[number][:2] for number in (0, 21, 29, 36, 53, 63)] == [
        ("🐶", "Dog"),
        ("☁️", "Cloud"),
        ("❤️", "Heart"),
        ("👍", "Thumbs Up"),
        ("✈️", "Aeroplane"),
        ("📌", "Pin"),
    ]
    lines = "".join(f"{emoji}{english}\n" for emoji, english, _ in SAS_EMOJI)
    assert hashlib.sha256(lines.encode()).hexdigest() == TABLE
    assert (hindi_name("Elephant"), hindi_name("Nothing")) == ("हाथी", "")


def test_emoji_numbers_and_macs_are_those_of_the_specification() -> None:
    alice, bob = reckoned()
    assert [SAS_EMOJI.index(next(row for row in SAS_EMOJI if row[:2] == pair)) for pair in alice.emoji] == bob.emoji()
    assert alice.numbers == bob.numbers()
    [mac] = alice.confirm()
    names = sorted(mac.content["mac"])
    assert names == sorted([f"ed25519:{ALICE.device}", f"ed25519:{ALICE.master}"])
    assert mac.content["keys"] == bob.mac_of("KEY_IDS", ",".join(names), ALICE, BOB)
    for name, key in ((f"ed25519:{ALICE.device}", ALICE.ed25519), (f"ed25519:{ALICE.master}", ALICE.master)):
        assert mac.content["mac"][name] == bob.mac_of(name, key, ALICE, BOB)
    assert [message.kind for message in alice.take(messages.MAC, bob.mac())] == [messages.DONE]
    assert alice.is_verified


def test_both_see_the_same_and_are_verified_when_both_have_confirmed() -> None:
    alice, bob = shown()
    assert alice.emoji == bob.emoji
    assert alice.numbers == bob.numbers
    assert len(alice.emoji) == 7
    carry(alice.confirm(), bob, alice)
    assert (alice.is_confirmed, bob.is_confirmed) == (True, False)
    assert (alice.is_verified, bob.is_verified) == (False, False)
    carry(bob.confirm(), alice, bob)
    assert alice.is_verified
    assert bob.is_verified


def test_each_run_shows_other_emoji() -> None:
    assert shown()[0].emoji != shown()[0].emoji


@pytest.mark.parametrize("first", [0, 1])
def test_who_has_the_smaller_account_goes_on_when_both_start(first: int) -> None:
    alice, bob = pair()
    starts = [(alice.start(), bob, alice), (bob.start(), alice, bob)]
    for start, receiver, sender in (starts[first], starts[1 - first]):
        carry([start], receiver, sender)
    assert alice.is_shown
    assert alice.emoji == bob.emoji
    assert alice._we_started
    assert not bob._we_started


# ---- what does not fit


def test_another_method_is_refused() -> None:
    alice, bob = pair()
    start = wire([alice.start()])[0][1]
    assert code_of(bob, messages.START, start | {"method": "m.reciprocate.v1"}) == messages.UNKNOWN_METHOD
    assert code_of(bob, messages.START, start) == messages.UNEXPECTED_MESSAGE  # it is over
    assert code_of(alice, messages.START, start | {"method": "x", "from_device": BOB.device}) == (
        messages.UNEXPECTED_MESSAGE
    )


@pytest.mark.parametrize(
    "field",
    ["key_agreement_protocols", "hashes", "message_authentication_codes", "short_authentication_string"],
)
@pytest.mark.parametrize("value", [[], ["curve25519", "sha512", "hkdf-hmac-sha256", "colours"]])
def test_a_start_without_the_ways_we_know_is_refused(field: str, value: list[str]) -> None:
    alice, bob = pair()
    start = wire([alice.start()])[0][1]
    assert code_of(bob, messages.START, start | {field: value}) == messages.UNKNOWN_METHOD


def test_of_more_ways_those_are_chosen_that_we_know() -> None:
    alice, bob = pair()
    start = wire([alice.start()])[0][1] | {"hashes": ["sha3", "sha256"], "short_authentication_string": ["x", "emoji"]}
    [accept] = bob.take(messages.START, start)
    assert accept.content["short_authentication_string"] == ["emoji"]
    assert accept.content["hash"] == "sha256"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key_agreement_protocol", "curve25519"),
        ("hash", "md5"),
        ("message_authentication_code", "hkdf-hmac-sha256"),
        ("short_authentication_string", []),
        ("short_authentication_string", ["emoji", "colours"]),
    ],
)
def test_an_accept_of_what_was_not_offered_is_refused(field: str, value: object) -> None:
    alice, _ = pair()
    bob = Reckoned(alice.start().content)
    assert code_of(alice, messages.ACCEPT, bob.accept(**{field: value})) == messages.UNKNOWN_METHOD


def test_a_start_of_another_device_is_refused() -> None:
    alice, bob = pair()
    start = wire([alice.start()])[0][1]
    assert code_of(bob, messages.START, start | {"from_device": BOB.device}) == messages.INVALID_MESSAGE


def test_a_key_other_than_the_promised_one_is_refused_before_anything_is_shown() -> None:
    alice, _ = pair()
    bob = Reckoned(alice.start().content)
    alice.take(messages.ACCEPT, bob.accept())
    other = Reckoned(bob.start).key
    assert code_of(alice, messages.KEY, {"transaction_id": "t", "key": other}) == messages.MISMATCHED_COMMITMENT
    assert not alice.is_shown
    assert alice.emoji == ()
    assert code_of(alice, messages.KEY, {"transaction_id": "t", "key": bob.key}) == messages.UNEXPECTED_MESSAGE


def test_a_promise_about_another_start_is_refused() -> None:
    alice, _ = pair()
    bob = Reckoned(alice.start().content | {"hashes": ["sha256", "md5"]})
    alice.take(messages.ACCEPT, bob.accept())
    assert code_of(alice, messages.KEY, {"transaction_id": "t", "key": bob.key}) == messages.MISMATCHED_COMMITMENT


def test_a_key_that_gives_no_secret_is_refused() -> None:
    alice, bob = pair()
    bob.take(*wire([alice.start()])[0])
    assert code_of(bob, messages.KEY, {"transaction_id": "t", "key": unpadded(bytes(32))}) == messages.INVALID_MESSAGE


def test_each_step_out_of_turn_ends_it() -> None:
    _, bob = reckoned()
    in_turn: dict[str, Callable[[], Content]] = {
        messages.START: lambda: wire([pair()[0].start()])[0][1],
        messages.ACCEPT: bob.accept,
        messages.KEY: lambda: {"transaction_id": "t", "key": bob.key},
        messages.MAC: bob.mac,
    }
    fresh: list[tuple[str, Callable[[], Verification]]] = [
        ("agreed", lambda: pair()[1]),
        ("started", started),
        ("accepted", accepted),
        ("keyed", keyed),
        ("shown", lambda: shown()[1]),
    ]
    fits = {("agreed", "start"), ("started", "start"), ("started", "accept"), ("accepted", "key"), ("keyed", "key")}
    fits |= {("shown", "mac"), ("keyed", "start")}
    for step, make in fresh:
        for kind in in_turn:
            if (step, kind.removeprefix(messages.PREFIX)) in fits:
                continue
            content = in_turn[kind]() | {
                "from_device": ALICE.device if step in ("agreed", "accepted", "shown") else BOB.device
            }
            assert code_of(make(), kind, content) == messages.UNEXPECTED_MESSAGE, (step, kind)
        for kind in (messages.READY, messages.REQUEST, messages.CANCEL, "m.key.verification.new"):
            assert code_of(make(), kind, {"transaction_id": "t"}) == messages.UNEXPECTED_MESSAGE
        if step != "shown":
            with pytest.raises(VerificationFailed):
                make().confirm()


def started() -> Verification:
    alice, _ = pair()
    alice.start()
    return alice


def accepted() -> Verification:
    alice, bob = pair()
    bob.take(*wire([alice.start()])[0])
    return bob


def keyed() -> Verification:
    alice, _ = pair()
    alice.take(messages.ACCEPT, Reckoned(alice.start().content).accept())
    return alice


def test_nothing_is_confirmed_or_checked_twice() -> None:
    alice, bob = reckoned()
    alice.confirm()
    with pytest.raises(VerificationFailed):
        alice.confirm()
    alice.take(messages.MAC, bob.mac())
    assert code_of(alice, messages.MAC, bob.mac()) == messages.UNEXPECTED_MESSAGE
    with pytest.raises(VerificationFailed):
        alice.start()


# ---- the last step: whose keys they are


def test_keys_beyond_the_two_are_passed_over() -> None:
    alice, bob = reckoned()
    more = {"ed25519:OTHER": "x", "curve:!": "y", "ed25519:" + "A" * 43: "z"}
    own = {f"ed25519:{BOB.device}": BOB.ed25519, f"ed25519:{BOB.master}": BOB.master}
    alice.take(messages.MAC, bob.mac(own | more))
    alice.confirm()
    assert alice.is_verified


@pytest.mark.parametrize("missing", [BOB.device, BOB.master])
def test_both_keys_have_to_be_there(missing: str) -> None:
    alice, bob = reckoned()
    own = {f"ed25519:{BOB.device}": BOB.ed25519, f"ed25519:{BOB.master}": BOB.master}
    del own[f"ed25519:{missing}"]
    assert code_of(alice, messages.MAC, bob.mac(own)) == messages.KEY_MISMATCH
    assert not alice.is_verified


@pytest.mark.parametrize("wrong", [BOB.device, BOB.master])
def test_a_key_that_they_have_otherwise_themselves_is_found_out(wrong: str) -> None:
    alice, bob = reckoned()
    own = {f"ed25519:{BOB.device}": BOB.ed25519, f"ed25519:{BOB.master}": BOB.master}
    own[f"ed25519:{wrong}"] = side("mallory").ed25519
    alice.confirm()
    assert code_of(alice, messages.MAC, bob.mac(own)) == messages.KEY_MISMATCH
    assert not alice.is_verified


@pytest.mark.parametrize("change", ["keys", "mac", "list", "back"])
def test_a_changed_mac_is_found_out(change: str) -> None:
    alice, bob = reckoned()
    content = bob.mac()
    match change:
        case "keys":
            content["keys"] = unpadded(bytes(32))
        case "mac":
            content["mac"] = dict.fromkeys(content["mac"], unpadded(bytes(32)))
        case "list":
            content["mac"]["ed25519:added"] = "x"
        case "back":  # Alice's own
            content = alice.confirm()[0].content
    assert code_of(alice, messages.MAC, content) == messages.KEY_MISMATCH
    assert not alice.is_verified


# ---- somebody between


def test_passing_on_between_two_false_accounts_is_found_out_by_the_promise() -> None:
    """A server gave Alice mallory's account for Bob's, and Bob another of mallory's for Alice's."""
    mallory, mirror = side("mallory"), side("mirror")
    alice, bob = Verification(ALICE, known(mallory), "t"), Verification(BOB, known(mirror), "t")
    kind, start = wire([alice.start()])[0]
    [accept] = bob.take(kind, start | {"from_device": mirror.device})
    [key] = alice.take(accept.kind, accept.content)
    [answer] = bob.take(key.kind, key.content)
    assert code_of(alice, answer.kind, answer.content) == messages.MISMATCHED_COMMITMENT
    assert not alice.is_shown


def test_passing_on_with_a_key_of_its_own_shows_other_emoji_and_macs_do_not_fit() -> None:
    mallory, mirror = side("mallory"), side("mirror")
    alice, bob = Verification(ALICE, known(mallory), "t"), Verification(BOB, known(mirror), "t")
    to_alice, to_bob = Verification(mallory, known(ALICE), "t"), Verification(mirror, known(BOB), "t")
    carry([alice.start()], to_alice, alice)
    carry([to_bob.start()], bob, to_bob)
    assert alice.emoji != bob.emoji
    # Bob does not look, and says that it is the same: what he sends is of no use for Alice.
    [mac] = bob.confirm()
    assert code_of(alice, mac.kind, mac.content) == messages.KEY_MISMATCH


def test_the_account_is_part_of_what_is_shown() -> None:
    """Even with the same shared secret: ids of other accounts give other emoji."""
    alice, bob = reckoned()
    bob.us = side("mallory")
    bob.meet(alice._our_key)
    assert [emoji[0] for emoji in alice.emoji] != [SAS_EMOJI[number][0] for number in bob.emoji()]


# ---- any input


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_fields = st.sampled_from(
    ["transaction_id", "from_device", "method", "hashes", "commitment", "key", "mac", "keys", "hash", "extra"]
)
_kinds = st.sampled_from([messages.START, messages.ACCEPT, messages.KEY, messages.MAC, messages.DONE, "m.x"])
_settings = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_settings
@given(st.integers(0, 3), _kinds, st.dictionaries(_fields, _json, max_size=4), st.booleans())
def test_any_content_gives_an_answer_or_the_one_error(which: int, kind: str, changed: Content, real: bool) -> None:
    verification = (lambda: pair()[1], started, accepted, keyed)[which]()
    content = (wire([pair()[0].start()])[0][1] if real else {}) | changed
    try:
        verification.take(kind, content)
    except VerificationFailed:
        assert not verification.is_shown
    assert not verification.is_verified


@_settings
@given(st.dictionaries(st.sampled_from(["mac", "keys", "transaction_id"]), _json, min_size=1))
def test_no_content_but_the_real_one_verifies(changed: Content) -> None:
    alice, bob = reckoned()
    alice.confirm()
    with pytest.raises(VerificationFailed):
        alice.take(messages.MAC, bob.mac() | {"mac": {}} | changed)
    assert not alice.is_verified


@pytest.mark.parametrize(
    ("type", "content"),
    [
        (messages.Request, {"methods": ["m"] * 17}),
        (messages.Request, {"timestamp": -1}),
        (messages.Request, {"transaction_id": "a" * 65}),
        (messages.Request, {"transaction_id": "a|b"}),
        (messages.Ready, {"methods": ["m" * 65]}),
        (messages.Cancel, {"code": "m" * 65}),
        (messages.Mac, {"mac": {str(number): "" for number in range(17)}, "keys": ""}),
        (messages.KeyMessage, {"key": "A" * 44}),
        (messages.AnyMessage, {"to_device": "x"}),
    ],
)
def test_every_field_is_bounded(type: Any, content: Content) -> None:
    whole = {"transaction_id": "t", "from_device": BOB.device, "methods": [], "timestamp": 1, "code": "m", "mac": {}}
    with pytest.raises(VerificationFailed):
        messages.read(type, whole | content)


# ---- where it is kept


def test_the_sides_are_those_of_the_profile(pair: tuple[Party, Party]) -> None:
    alice, bob = pair
    us = own_side(alice.db)
    assert us == Side(alice.account, alice.own.device, alice.own.ed25519, us.master)
    assert their_side(bob.db, alice.account, alice.own.device) == replace(us, master="")
    assert account_id(base64.b64decode(us.master + "="), SERVER) == alice.account


def test_it_is_kept_by_account_and_shown_on_the_contact(pair: tuple[Party, Party]) -> None:
    alice, bob = pair

    def shown() -> int:
        contact = contacts.get(alice.db, bob.account)
        assert contact is not None
        return contact.verified

    assert (shown(), contacts.verified(alice.db, bob.account)) == (0, None)
    contacts.verify(alice.db, bob.account, AT, "emoji")
    assert (shown(), contacts.verified(alice.db, bob.account)) == (AT, AT)
    contacts.verify(alice.db, bob.account, AT + 1, "emoji")
    alice.reopen()
    assert shown() == AT + 1
    assert [contact.verified for contact in contacts.everyone(alice.db)] == [AT + 1]
    contacts.doubt(alice.db, bob.account)
    assert (shown(), contacts.verified(alice.db, bob.account)) == (0, None)


def test_whoever_takes_the_name_is_not_verified_by_it(make: Any) -> None:
    alice, bob, mallory = (make(name) for name in ("Alice", "Bob", "Mallory"))
    alice.learn(bob)
    contacts.verify(alice.db, bob.account, AT, "emoji")
    learned = contacts.learn(alice.db, mallory.profile("Bob"), AT)
    assert learned.moved is not None
    assert (learned.contact.disputed, learned.contact.verified) == (True, 0)


def test_a_profile_of_before_gets_the_new_table(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key, path = secrets.token_bytes(32), tmp_path / "old.db"
    with monkeypatch.context() as patched:
        patched.setattr("talk.encryption.database.MIGRATIONS", MIGRATIONS[:1])
        open_database(path, key).close()
    db = open_database(path, key)
    migrate(db, "encryption", MIGRATIONS)
    contacts.verify(db, "@somebody", 1, "emoji")
    assert contacts.verified(db, "@somebody") == 1
    assert db.all("SELECT verified FROM people") == []
    db.close()
