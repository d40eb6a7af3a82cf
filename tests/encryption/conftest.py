"""Fixtures: parties that are closed when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .parties import Party

Maker = Callable[..., Party]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    """Makes parties by name: `make("Alice")`, or a second device by `make("laptop", main=alice)`."""
    made: list[Party] = []

    def maker(name: str, main: Party | None = None) -> Party:
        party = Party(tmp_path / f"{len(made)} {name}", name, main)
        made.append(party)
        return party

    yield maker
    for party in made:
        party.db.close()


@pytest.fixture
def pair(make: Maker) -> tuple[Party, Party]:
    """Two people who know each other's keys and have no session yet."""
    alice, bob = make("Alice"), make("Bob")
    alice.learn(bob)
    bob.learn(alice)
    return alice, bob


@pytest.fixture
def talking(pair: tuple[Party, Party]) -> tuple[Party, Party]:
    """Two people with one session that both have used."""
    alice, bob = pair
    alice.start(bob)
    bob.open(alice.seal(bob, "first"))
    alice.open(bob.seal(alice, "second"))
    return pair
