"""The store port, sentence by sentence, on every adapter: one-time keys, fallback keys, claims."""

from __future__ import annotations

import asyncio

import pytest

from talk.protocol.errors import Code
from talk.protocol.limits import MAX_ONE_TIME_KEYS
from talk.server.ports import Claimed, ClaimKeys, KeyCount, Refusal, Store

from .changes import keys, register
from .conftest import Kept


@pytest.fixture(autouse=True)
async def accounts(kept: Kept) -> None:
    await kept.store.commit([register("alice"), register("bob")])


async def claim(store: Store, *devices: str) -> Claimed:
    [outcome] = await store.commit([ClaimKeys(devices)])
    assert isinstance(outcome, Claimed)
    return outcome


async def test_the_oldest_key_is_claimed_first_and_once(kept: Kept) -> None:
    store = kept.store
    assert await store.commit([keys("bob-1", "c", "a"), keys("bob-1", "b")]) == [KeyCount(2, False), KeyCount(3, False)]
    assert await claim(store, "bob-1") == Claimed({"bob-1": ("c", b"key c")}, {"bob-1": KeyCount(2, False)})
    store = await kept.restart()
    assert await claim(store, "bob-1") == Claimed({"bob-1": ("a", b"key a")}, {"bob-1": KeyCount(1, False)})
    assert await claim(store, "bob-1") == Claimed({"bob-1": ("b", b"key b")}, {"bob-1": KeyCount(0, False)})
    assert await claim(store, "bob-1") == Claimed({}, {"bob-1": KeyCount(0, False)})


async def test_each_device_gives_one(store: Store) -> None:
    await store.commit([keys("alice-1", "k1", "k2"), keys("bob-1", fallback="f")])
    outcome = await claim(store, "bob-1", "alice-1", "alice-1", "nobody-1")
    assert outcome.keys == {"bob-1": ("f", b"key f"), "alice-1": ("k1", b"key k1")}
    assert outcome.left == {
        "bob-1": KeyCount(0, True),
        "alice-1": KeyCount(1, False),
        "nobody-1": KeyCount(0, False),
    }
    assert await store.key_count("bob-1") == KeyCount(0, True)
    assert await store.key_count("alice-1") == KeyCount(1, False)
    assert await store.key_count("nobody-1") == KeyCount(0, False)


async def test_no_key_is_handed_out_twice_however_many_ask_at_once(store: Store) -> None:
    await store.commit([keys("bob-1", *(f"k{i}" for i in range(60)))])
    outcomes = await asyncio.gather(*(claim(store, "bob-1") for _ in range(70)))
    handed = [outcome.keys["bob-1"][0] for outcome in outcomes if outcome.keys]
    assert sorted(handed) == sorted(f"k{i}" for i in range(60))


async def test_a_key_that_was_ever_given_is_not_added_again(kept: Kept) -> None:
    store = kept.store
    await store.commit([keys("bob-1", "k1", "k2")])
    assert (await claim(store, "bob-1")).keys == {"bob-1": ("k1", b"key k1")}
    assert await store.commit([keys("bob-1", "k1", "k2", "k3")]) == [KeyCount(2, False)]
    store = await kept.restart()
    assert await store.commit([keys("bob-1", "k1")]) == [KeyCount(2, False)]
    # Another device's keys are others.
    assert await store.commit([keys("alice-1", "k1")]) == [KeyCount(1, False)]
    assert [(await claim(store, "bob-1")).keys.get("bob-1") for _ in range(3)] == [
        ("k2", b"key k2"),
        ("k3", b"key k3"),
        None,
    ]


async def test_a_key_that_was_given_keeps_its_first_content(store: Store) -> None:
    await store.commit([keys("bob-1", "k1")])
    other = keys("bob-1", "k1")
    other.one_time["k1"] = b"another key"
    await store.commit([other])
    assert (await claim(store, "bob-1")).keys == {"bob-1": ("k1", b"key k1")}


async def test_a_device_has_a_hundred_keys_at_most(store: Store) -> None:
    first = [f"a{i}" for i in range(MAX_ONE_TIME_KEYS - 10)]
    second = [f"b{i}" for i in range(30)]
    await store.commit([keys("bob-1", *first)])
    assert await store.commit([keys("bob-1", *second)]) == [KeyCount(MAX_ONE_TIME_KEYS, False)]
    # What did not fit was not given, and fits when there is room again.
    await claim(store, "bob-1")
    assert await store.commit([keys("bob-1", *second)]) == [KeyCount(MAX_ONE_TIME_KEYS, False)]
    handed = [(await claim(store, "bob-1")).keys["bob-1"][0] for _ in range(MAX_ONE_TIME_KEYS)]
    assert handed == [*first[1:], *second[:11]]


async def test_more_keys_than_one_statement_takes(store: Store) -> None:
    many = [f"k{i}" for i in range(3 * MAX_ONE_TIME_KEYS)]
    assert await store.commit([keys("bob-1", *many)]) == [KeyCount(MAX_ONE_TIME_KEYS, False)]
    assert await store.commit([keys("bob-1", *many)]) == [KeyCount(MAX_ONE_TIME_KEYS, False)]


async def test_a_fallback_key_is_given_when_the_others_are_out_and_stays(store: Store) -> None:
    assert await store.commit([keys("bob-1", "k1", fallback="f")]) == [KeyCount(1, False)]
    assert (await claim(store, "bob-1")).keys["bob-1"][0] == "k1"
    for _ in range(3):
        assert await claim(store, "bob-1") == Claimed({"bob-1": ("f", b"key f")}, {"bob-1": KeyCount(0, True)})
    # The same one again stays used; a new one is unused and takes its place.
    assert await store.commit([keys("bob-1", fallback="f")]) == [KeyCount(0, True)]
    assert await store.commit([keys("bob-1", fallback="g")]) == [KeyCount(0, False)]
    assert (await claim(store, "bob-1")).keys == {"bob-1": ("g", b"key g")}
    # One that was replaced does not come back.
    assert await store.commit([keys("bob-1", fallback="f")]) == [KeyCount(0, True)]
    assert (await claim(store, "bob-1")).keys == {"bob-1": ("g", b"key g")}


async def test_replacing_removes_every_key_that_is_not_in_the_change(store: Store) -> None:
    await store.commit([keys("bob-1", "k1", "k2", "k3", fallback="f"), keys("alice-1", "k1", fallback="f")])
    await claim(store, "bob-1")
    change = keys("bob-1", "k1", "k3", "k4", fallback="g", replace=True)
    assert await store.commit([change, change]) == [KeyCount(2, False)] * 2
    assert await store.key_count("alice-1") == KeyCount(1, False)
    handed = [(await claim(store, "bob-1")).keys["bob-1"][0] for _ in range(3)]
    assert handed == ["k3", "k4", "g"]
    assert await store.commit([keys("bob-1", "k2", fallback="f")]) == [KeyCount(0, True)]


async def test_replacing_by_nothing_removes_all(store: Store) -> None:
    await store.commit([keys("bob-1", "k1", fallback="f")])
    assert await store.commit([keys("bob-1", replace=True)]) == [KeyCount(0, False)]
    assert (await claim(store, "bob-1")).keys == {}


async def test_replacing_makes_room(store: Store) -> None:
    await store.commit([keys("bob-1", *(f"a{i}" for i in range(MAX_ONE_TIME_KEYS)))])
    change = keys("bob-1", *(f"b{i}" for i in range(MAX_ONE_TIME_KEYS)), replace=True)
    assert await store.commit([change]) == [KeyCount(MAX_ONE_TIME_KEYS, False)]
    assert (await claim(store, "bob-1")).keys["bob-1"][0] == "b0"


async def test_a_device_on_no_list_leaves_no_keys(store: Store) -> None:
    assert await store.commit([keys("nobody-1", "k1")]) == [Refusal(Code.UNKNOWN_DEVICE)]
    assert await store.key_count("nobody-1") == KeyCount(0, False)
