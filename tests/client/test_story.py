"""Whatever happens between client and server, in any order: everything written arrives once, in one order.

Hypothesis makes up the story: people write, connections drop, clients and the server are started anew, commits fail
before or after they are on disk.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.client.world import Person, World

from talk.client import Mark, Message, PrivateMessage
from talk.server.ports import Change, Outcome, StoreUnavailable

NAMES = ("asha", "bob", "chitra")
ENOUGH = 60.0  # seconds

who = st.sampled_from(NAMES)
step = st.one_of(
    st.tuples(st.just("say"), who),
    st.tuples(st.just("say"), who),
    st.tuples(st.just("tell"), who, who),
    st.tuples(st.just("tell"), who, who),
    st.tuples(st.just("cut"), who),
    st.tuples(st.just("restart"), who),
    st.tuples(st.just("restart server")),
    st.tuples(st.just("fail a commit"), st.sampled_from(("before", "after"))),
    st.tuples(st.just("settle")),
)


class Story:
    """A world in which steps happen, and what should have arrived by its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._now: dict[str, Person] = {}
        self._all: dict[str, list[Person]] = {name: [] for name in NAMES}
        self.said: list[str] = []
        self.told: dict[str, list[str]] = {name: [] for name in NAMES}

    async def begin(self) -> None:
        await self._world.start_server()
        for name in NAMES:
            self._meet(name, await self._world.join(name))

    def _meet(self, name: str, person: Person) -> None:
        self._now[name] = person
        self._all[name].append(person)

    async def do(self, what: str, *names: str) -> None:
        match what, *names:
            case "say", name:
                text = f"{name} says {len(self.said)}"
                self.said.append(text)
                await self._now[name].client.say(text)
            case "tell", name, other if name != other:
                text = f"{name} tells {other} {len(self.told[other])}"
                self.told[other].append(text)
                await self._now[name].client.send(other, text)
            case "cut", name:
                await self._cut(name)
            case "restart", name:
                await self._now[name].stop()
                self._meet(name, await self._world.start(name))
            case "restart server", *_:
                await self._world.stop_server()
                await self._world.start_server()
            case "fail a commit", when:
                self._fail_next(when)
            case "settle", *_:
                await self.settle()

    async def _cut(self, name: str) -> None:
        for connection in list(self._world.engine.connections):
            if self._world.engine.context.directory.name_of(connection.session.account) == name:
                connection.door.abort()

    def _fail_next(self, when: str) -> None:
        """Let the next transaction fail, before it is written or when it is on disk already."""
        store = self._world.engine._store
        commit = store.commit

        async def failing(changes: Sequence[Change]) -> list[Outcome]:
            store.commit = commit  # type: ignore[method-assign]
            if when == "after":
                await commit(changes)
            raise StoreUnavailable("This commit was told to fail.")

        store.commit = failing  # type: ignore[method-assign]

    async def settle(self) -> None:
        """Wait until everything written so far has arrived."""
        for person in self._now.values():
            await person.client.sent()
        for name, person in self._now.items():
            await person.until(lambda name=name: len(self._lobby(name)) >= len(self.said), "all lines")  # type: ignore[misc]
            await person.until(lambda name=name: len(self._private(name)) >= len(self.told[name]), "all mail")  # type: ignore[misc]

    def _lobby(self, name: str) -> list[Message]:
        return [event for person in self._all[name] for event in person.of(Message)]

    def _private(self, name: str) -> list[str]:
        return [event.text for person in self._all[name] for event in person.of(PrivateMessage)]

    def check(self) -> None:
        orders = [[(line.seq, line.text) for line in self._lobby(name)] for name in NAMES]
        assert orders[0] == orders[1] == orders[2]
        assert Counter(text for _, text in orders[0]) == Counter(self.said)
        assert [seq for seq, _ in orders[0]] == list(range(1, len(self.said) + 1))
        for name in NAMES:
            assert Counter(self._private(name)) == Counter(self.told[name])
            for other in NAMES:
                from_other = [text for text in self._private(name) if text.startswith(f"{other} ")]
                assert from_other == [text for text in self.told[name] if text.startswith(f"{other} ")]
            assert not [mark for person in self._all[name] for mark in person.of(Mark) if mark.state == "failed"]


async def _tell(folder: Path, steps: list[tuple[str, ...]]) -> None:
    world = World(folder)
    story = Story(world)
    try:
        async with asyncio.timeout(ENOUGH):
            await story.begin()
            for words in steps:
                await story.do(*words)
            await story.settle()
        story.check()
    finally:
        await world.close()


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(step, min_size=5, max_size=30))
def test_every_story_ends_well(steps: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_tell(Path(folder), steps))
