"""Fixtures: a server with people, whose clients never touch a real keyring and wait less than outside of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.client.world import World

from talk.client import inbox, receiving, sending, staying


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only how long is waited changes; what is waited for does not."""
    monkeypatch.setattr(inbox, "RECEIPTS_WITHIN", 0.02)
    monkeypatch.setattr(receiving, "ACKS_WITHIN", 0.02)
    monkeypatch.setattr(sending, "LATER_MS", 150)
    monkeypatch.setattr(staying, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(staying, "LONGEST_DELAY", 0.2)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.start_server()
    yield world
    await world.close()
