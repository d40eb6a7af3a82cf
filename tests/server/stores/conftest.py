from __future__ import annotations

from pathlib import Path

import pytest

from talk.server.stores import sqlite_file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.1)
    return tmp_path / "data" / "talk.db"
