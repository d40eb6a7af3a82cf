from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from talk.server.ports import Store
from talk.server.stores.memory import MemoryStore
from talk.server.stores.sqlite import SqliteStore


class Kept:
    """A store that is open, and can be opened again as after a restart."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._path = folder / "talk.db" if kind == "sqlite" else None
        self.store: Store = self._new() or MemoryStore()

    def _new(self) -> Store | None:
        return SqliteStore(self._path) if self._path else None

    async def restart(self) -> Store:
        await self.store.close()
        self.store = self._new() or self.store
        await self.store.open()
        return self.store

    async def lobby(self) -> str:
        """The id of the room that every store has."""
        return (await self.store.load()).rooms[0].room


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(request.param, tmp_path)
    await kept.store.open()
    yield kept
    await kept.store.close()


@pytest.fixture
def store(kept: Kept) -> Store:
    return kept.store


@pytest.fixture
async def lobby(kept: Kept) -> str:
    return await kept.lobby()
