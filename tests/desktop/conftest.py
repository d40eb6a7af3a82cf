"""A screen per test process, and a server, people and windows per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.desktop.screen import App, Screen, missing
from tests.online.processes import ClientProcess, ServerProcess


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    absent = missing()
    assert not absent, f"the tests of the window need: apt-get install {' '.join(absent)}"
    with Screen() as screen:
        yield screen


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def server(stack: ExitStack, tmp_path: Path) -> ServerProcess:
    return stack.enter_context(ServerProcess(tmp_path / "server"))


OpenWindow = Callable[..., App]
Join = Callable[..., ClientProcess]


@pytest.fixture
def window(stack: ExitStack, screen: Screen, tmp_path: Path) -> OpenWindow:
    """Start the window of this user, on their one home."""

    def start(user: str = "asha", **environment: str) -> App:
        return stack.enter_context(App(screen, tmp_path / f"home-{user}", **environment))

    return start


@pytest.fixture
def join(stack: ExitStack, server: ServerProcess, tmp_path: Path) -> Join:
    """Somebody else's client."""

    def start(name: str, *flags: str) -> ClientProcess:
        client = ClientProcess(server.link, name, tmp_path / f"profile-{name}", *flags)
        return stack.enter_context(client).ready()

    return start


@pytest.fixture
def app(window: OpenWindow, server: ServerProcess) -> App:
    """The window of asha, in the lobby."""
    app = window("asha")
    app.join(server.link, "asha")
    return app
