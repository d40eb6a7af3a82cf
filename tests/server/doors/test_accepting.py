"""Sockets that listen, and what is accepted from them."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.server.house import until

from talk.server.certificate import self_made_certificate, server_context
from talk.server.doors import accepting
from talk.server.doors.accepting import Entrance, let_in, listening


def test_one_address_is_one_socket() -> None:
    [one] = listening("127.0.0.1", 0)
    with closing(one):
        assert one.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError) as taken:
            listening("127.0.0.1", one.getsockname()[1])
        assert taken.value.errno == errno.EADDRINUSE


def test_every_address_is_a_socket_a_family_as_far_as_there_are_families(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def no_ipv6(address: tuple[str, int], **how: Any) -> socket.socket:
        if how["family"] == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return create(address, **how)

    monkeypatch.setattr(socket, "create_server", no_ipv6)
    [one] = listening(None, 0)
    one.close()
    with pytest.raises(OSError, match="no such address"):
        listening("::1", 0)


def test_where_one_of_them_is_taken_none_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """An open one would be a warning, and so an error."""
    create = socket.create_server

    def taken(address: tuple[str, int], **how: Any) -> socket.socket:
        if how["family"] == socket.AF_INET6:
            raise OSError(errno.EADDRINUSE, "taken")
        return create(address, **how)

    monkeypatch.setattr(socket, "create_server", taken)
    with pytest.raises(OSError, match="taken"):
        listening(None, 0)


async def test_when_the_system_has_no_more_sockets_it_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.001)
    loop, arrived = asyncio.get_running_loop(), []
    accept, troubles = loop.sock_accept, [errno.EMFILE, errno.ECONNABORTED]

    async def troubled(sock: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        if troubles:
            raise OSError(troubles.pop(0), "trouble")
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", troubled)
    entrance = Entrance(listening("127.0.0.1", 0), lambda one, address: arrived.append((one, address)))
    entrance.open()
    try:
        with closing(socket.create_connection(entrance.sockets[0].getsockname())):
            await until(lambda: arrived, "an arrival")
            assert arrived[0][1] == "127.0.0.1"
            arrived[0][0].close()
    finally:
        await entrance.close()
    assert caplog.text.count("no more connections can be taken for now") == 1


async def test_who_is_accepted_in_the_moment_it_closes_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """An open one would be a warning, and so an error."""
    accept, given, ends = accepting.Listening.accept, [], []

    def accept_and_end(self: accepting.Listening) -> tuple[socket.socket, Any]:
        one, address = accept(self)
        given.append(one)
        ends.append(asyncio.get_running_loop().create_task(entrance.close()))
        return one, address

    monkeypatch.setattr(accepting.Listening, "accept", accept_and_end)
    arrived: list[socket.socket] = []
    entrance = Entrance(listening("127.0.0.1", 0), lambda one, _: arrived.append(one))
    entrance.open()
    await asyncio.sleep(0)  # it waits for somebody now
    with closing(socket.create_connection(entrance.sockets[0].getsockname())):
        await until(lambda: ends, "an end")
        await ends[0]
    assert not arrived
    assert given[0].fileno() == -1


async def test_an_arrival_that_is_cancelled_at_once_can_clean_up() -> None:
    """A task that is cancelled before its first step does nothing at all."""
    ends: list[asyncio.Task[None]] = []
    cleaned: list[socket.socket] = []

    async def arrival(accepted: socket.socket) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            accepted.close()
            cleaned.append(accepted)

    def arrived(accepted: socket.socket, _address: str) -> Coroutine[Any, Any, None]:
        ends.append(asyncio.get_running_loop().create_task(entrance.close()))
        return arrival(accepted)

    entrance = Entrance(listening("127.0.0.1", 0), arrived)
    entrance.open()
    with closing(socket.create_connection(entrance.sockets[0].getsockname())):
        await until(lambda: ends, "an end")
        await ends[0]
    assert len(cleaned) == 1


class Silent(asyncio.Protocol):
    pass


@pytest.mark.parametrize("said", [b"", b"not a handshake at all\r\n\r\n"])
async def test_who_does_not_agree_on_tls_is_let_go(tmp_path: Path, said: bytes) -> None:
    tls = server_context(self_made_certificate(tmp_path, ["127.0.0.1"]))
    ours, theirs = socket.socketpair()
    with closing(theirs):
        ours.setblocking(False)
        theirs.sendall(said)
        if not said:
            theirs.close()
        assert not await let_in(ours, Silent(), tls, 5.0)


async def test_who_says_nothing_is_let_go_in_time(tmp_path: Path) -> None:
    tls: ssl.SSLContext = server_context(self_made_certificate(tmp_path, ["127.0.0.1"]))
    ours, theirs = socket.socketpair()
    with closing(theirs):
        ours.setblocking(False)
        assert not await let_in(ours, Silent(), tls, 0.05)
        theirs.settimeout(10)
        assert theirs.recv(1) == b""
