from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
import pytest

from talk.encryption import keys
from talk.encryption.errors import Undecryptable
from talk.encryption.keys import PublishContents
from talk.protocol.commands import PublishKeys
from talk.protocol.keys import is_signed

from .conftest import Maker
from .parties import Party, say


@dataclass
class _Sent:
    contents: PublishContents
    frame: bytes


def _publish(party: Party, count: int, fallback_used: bool = False) -> _Sent:
    contents = keys.publish(party.db, count, fallback_used)
    assert contents is not None
    frame = PublishKeys("a", contents.one_time, contents.fallback, contents.replace)
    data = msgspec.json.encode(frame)
    assert msgspec.json.decode(data, type=PublishKeys) == frame, "it keeps to the protocol's bounds"
    return _Sent(contents, data)


def test_a_new_device_publishes_fifty_keys_and_a_fallback(make: Maker) -> None:
    alice = make("Alice")
    assert (len(alice.one_time), len(alice.fallback)) == (50, 1)
    for name, key in (alice.one_time | alice.fallback).items():
        assert re.fullmatch(r"signed_curve25519:[A-Za-z0-9+/]+", name)
        assert is_signed(key, alice.account, alice.own.device, alice.own.ed25519)
        assert key.fallback == (name in alice.fallback)
    wire = msgspec.to_builtins(alice.one_time)
    assert all(set(key) == {"key", "signatures"} for key in wire.values()), "Matrix's form"


def test_nothing_is_published_while_there_is_enough(make: Maker) -> None:
    alice = make("Alice")
    assert keys.publish(alice.db, 25, fallback_used=False) is None
    assert keys.publish(alice.db, 1000, fallback_used=False) is None
    assert len(_publish(alice, 24).contents.one_time) == 26


def test_the_same_keys_until_they_are_published(make: Maker) -> None:
    alice = make("Alice")
    first = _publish(alice, 3, fallback_used=True)
    assert (len(first.contents.one_time), len(first.contents.fallback)) == (47, 1)
    alice.reopen()
    assert _publish(alice, 0, fallback_used=True).frame == first.frame
    assert _publish(alice, 50, fallback_used=False).frame == first.frame
    keys.mark_published(alice.db)
    assert keys.publish(alice.db, 50, fallback_used=False) is None


def test_a_used_fallback_key_is_replaced_and_still_works_once(make: Maker) -> None:
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    for party in (bob, carol):
        party.learn(alice)
        alice.learn(party)
    alice.one_time.clear()
    bob.start(alice)
    carol.start(alice)
    under_way = carol.seal(alice, "sealed before the change")
    say(bob, alice, "by the fallback key")
    before = dict(alice.fallback)
    alice.one_time = {"kept": next(iter(alice.fallback.values()))} | {str(n): bob.claim_from(bob) for n in range(40)}
    alice.publish(fallback_used=True)
    assert alice.fallback != before
    assert alice.open(under_way).content["text"] == "sealed before the change"


def test_a_fallback_key_is_gone_after_two_changes(make: Maker) -> None:
    alice, bob = make("Alice"), make("Bob")
    bob.learn(alice)
    alice.learn(bob)
    alice.one_time.clear()
    bob.start(alice)
    late = bob.seal(alice, "too late")
    for _ in range(2):
        keys.publish(alice.db, 50, fallback_used=True)
        keys.mark_published(alice.db)
    with pytest.raises(Undecryptable, match="used up"):
        alice.open(late)


def test_a_used_one_time_key_works_no_second_time(make: Maker) -> None:
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    alice.learn(bob, carol)
    for party in (bob, carol):
        party.learn(alice)
    twice = next(iter(alice.one_time.values()))
    bob.start(alice)
    say(bob, alice, "hello")
    alice.one_time = {"again": twice}
    carol.start(alice)
    with pytest.raises(Undecryptable, match="used up"):
        alice.open(carol.seal(alice))


def test_everything_is_replaced_for_a_new_epoch(make: Maker) -> None:
    alice = make("Alice")
    keys.publish(alice.db, 10, fallback_used=False)
    fresh = keys.replace_all(alice.db)
    assert (len(fresh.one_time), len(fresh.fallback), fresh.replace) == (50, 1, True)
    assert fresh.one_time.keys().isdisjoint(alice.one_time)
    assert fresh.fallback.keys().isdisjoint(alice.fallback)
    alice.reopen()
    assert keys.replace_all(alice.db) == fresh, "the answer was lost, so it is sent again"
    assert keys.publish(alice.db, 50, fallback_used=False) == fresh
    keys.mark_published(alice.db)
    assert keys.publish(alice.db, 50, fallback_used=False) is None
    refill = keys.publish(alice.db, 0, fallback_used=False)
    assert refill is not None
    assert not refill.replace
    assert keys.replace_all(alice.db).one_time.keys().isdisjoint(fresh.one_time)


@pytest.mark.parametrize("count", [-5, 0, 2**53])
def test_what_the_server_counts_cannot_make_it_publish_too_much(make: Maker, count: int) -> None:
    alice = make("Alice")
    contents = keys.publish(alice.db, count, fallback_used=False)
    assert contents is None or len(contents.one_time) <= 50
