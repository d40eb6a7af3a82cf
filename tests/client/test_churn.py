"""A client that loses its connection again and again keeps nothing of the old ones."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import weakref

import pytest
from tests.client.world import Person, World

from talk.client import Message, Online, PrivateMessage, staying

TIMES = 300 if os.environ.get("TALK_LONG", "") not in ("", "0") else 25
A_TIME = 12  # objects that may stay, such as what the test itself keeps of events; a session that stays is 84
LAZY = (asyncio.TimerHandle, contextvars.Context, weakref.ref)  # cancelled timers and dead references go when it suits


async def test_nothing_is_kept_of_connections_that_were_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the client and the server: both run here."""
    monkeypatch.setattr(staying, "FIRST_DELAY", 0.001)
    asha, bob = await world.join("asha"), await world.join("bob")
    counts = []
    for _ in range(3):
        for _ in range(TIMES):
            await come_back(world, asha, bob)
        for person in (asha, bob):
            person.seen.clear()
        gc.collect()
        counts.append(sum(not isinstance(one, LAZY) for one in gc.get_objects()))
    assert counts[2] - counts[1] < A_TIME * TIMES, counts


async def come_back(world: World, asha: Person, bob: Person) -> None:
    asha.seen.clear()
    bob.seen.clear()
    await world.cut(asha)
    await asha.wait_for(Online)
    await bob.client.say("everybody")
    await asha.wait_for(Message, text="everybody")
    await bob.client.send("asha", "you")
    await asha.wait_for(PrivateMessage, text="you")
