"""The database of a server that has stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.online.processes import ServerProcess

from talk.server.app import STORE_FILE


@contextmanager
def changing(server: ServerProcess) -> Iterator[sqlite3.Connection]:
    """A connection whose changes are kept at the end."""
    with closing(sqlite3.connect(server.data / STORE_FILE)) as db, db:
        yield db
