"""A server and people to talk, for a test at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.online.processes import ClientProcess, ServerProcess, free_port


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


Serve = Callable[..., ServerProcess]
Join = Callable[..., ClientProcess]


@pytest.fixture
def serve(stack: ExitStack, tmp_path: Path) -> Serve:
    """Start a server on the test's one folder; the arguments are those of ServerProcess."""

    def start(*flags: str, **how: object) -> ServerProcess:
        return stack.enter_context(ServerProcess(tmp_path / "server", *flags, **how))  # type: ignore[arg-type]

    return start


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve()


@pytest.fixture
def enter(stack: ExitStack, tmp_path: Path) -> Join:
    """Start a client by a link under a name, on this person's one folder, and wait until it is in the lobby."""

    def start(link: str, name: str, *flags: str, **how: object) -> ClientProcess:
        client = ClientProcess(link, name, tmp_path / f"profile-{name}", *flags, **how)  # type: ignore[arg-type]
        return stack.enter_context(client).ready()

    return start


@pytest.fixture
def join(enter: Join, server: ServerProcess) -> Join:
    """The same for a client of `server`."""

    def start(name: str, *flags: str, **how: object) -> ClientProcess:
        return enter(server.link, name, *flags, **how)

    return start


ServeTls = Callable[[], ServerProcess]


@pytest.fixture
def tls(serve: Serve) -> ServeTls:
    """Start a server on every address, with its own certificate and invitations; always on the same port."""
    port = free_port()
    return lambda: serve("--hidden", "--address", f"127.0.0.1:{port}", listen=f"0.0.0.0:{port}")
