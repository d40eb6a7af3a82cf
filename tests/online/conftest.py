"""A server and people to talk, for a test at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.online.processes import ClientProcess, ServerProcess


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def server(stack: ExitStack, tmp_path: Path) -> ServerProcess:
    return stack.enter_context(ServerProcess(tmp_path / "server"))


Join = Callable[..., ClientProcess]


@pytest.fixture
def join(stack: ExitStack, server: ServerProcess, tmp_path: Path) -> Join:
    """Start a client of the server under this name, and wait until it is in the lobby."""

    def start(name: str, *flags: str, link: str = "") -> ClientProcess:
        client = ClientProcess(link or server.link, name, tmp_path / f"profile-{name}", *flags)
        return stack.enter_context(client).ready()

    return start
