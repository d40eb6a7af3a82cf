"""What a server says of itself to its network, where, and what happens where that does not work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server.house import until

from talk.local.errors import NearbyFailed
from talk.local.nearby import MAX_NAME, Service
from talk.protocol.text import is_title
from talk.server import announcing
from talk.server.announcing import default_title, instance_name, keep_announced, places
from talk.server.app import ServeError, Server, Settings

ID = "abcdef" + "z" * 26


class Network:
    """Stands in for the network: keeps what is announced, and fails as often as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: list[Service] = []
        self.ever: list[tuple[Service, str, tuple[str, ...]]] = []
        self.failures = self.looked = 0
        self.addresses: tuple[str, ...] = ("192.168.1.5", "fd00::5")
        monkeypatch.setattr(announcing, "announced", self.announced)
        monkeypatch.setattr(announcing, "LOOK_EVERY", 0.001)

    def find(self) -> tuple[str, ...]:
        self.looked += 1
        return self.addresses

    @asynccontextmanager
    async def announced(self, kind: str, service: Service, *, host: str, interfaces: list[str]) -> AsyncIterator[None]:
        if self.failures:
            self.failures -= 1
            raise NearbyFailed("no network")
        self.now.append(service)
        self.ever.append((service, host, tuple(interfaces)))
        try:
            yield
        finally:
            self.now.remove(service)

    async def until(self, count: int) -> None:
        await until(lambda: len(self.ever) >= count, "announcement")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


@asynccontextmanager
async def announcing_chat(network: Network, **changes: Any) -> AsyncIterator[None]:
    words = {"title": "Asha's chat", "server": ID, "port": 7433, "invite_needed": True, **changes}
    task = asyncio.create_task(keep_announced(**words, find=network.find))
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert network.now == []


async def test_what_is_announced(network: Network) -> None:
    async with announcing_chat(network):
        await network.until(1)
    [(service, host, interfaces)] = network.ever
    assert service == Service(
        "Asha's chat abcdef",
        ("192.168.1.5", "fd00::5"),
        7433,
        {"id": ID, "title": "Asha's chat", "v": "1", "invite": "1", "tls": "1"},
    )
    assert host == f"talk-{ID}"
    assert interfaces == ("192.168.1.5",)


async def test_that_nobody_needs_an_invitation_is_said(network: Network) -> None:
    async with announcing_chat(network, invite_needed=False):
        await network.until(1)
    assert network.ever[0][0].properties["invite"] == "0"


async def test_a_machine_that_moves_is_announced_anew(network: Network) -> None:
    async with announcing_chat(network):
        await network.until(1)
        looked = network.looked
        await until(lambda: network.looked > looked + 5, "look")
        assert len(network.ever) == 1
        network.addresses = ("10.0.0.9",)
        await network.until(2)
        assert [service.addresses for service in network.now] == [("10.0.0.9",)]


async def test_without_a_home_network_nothing_is_said_until_there_is_one(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.addresses = ("fd00::5",)
    async with announcing_chat(network):
        for _ in range(10):
            await asyncio.sleep(0.002)
        assert network.ever == []
        network.addresses = ("10.0.0.9",)
        await network.until(1)
    assert not caplog.records


async def test_a_failure_is_one_line_in_the_log_and_it_is_tried_again(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.failures = 3
    async with announcing_chat(network):
        await network.until(1)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "not announced" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("listening", "wanted", "told"),
    [
        (["0.0.0.0"], ("192.168.1.5", "fd00::5"), ("192.168.1.5",)),
        (["0.0.0.0", "::"], ("192.168.1.5", "fd00::5"), ("192.168.1.5", "fd00::5")),
        (["192.168.1.5"], ("192.168.1.5", "10.0.0.1"), ("192.168.1.5",)),
        (["127.0.0.1"], ("192.168.1.5",), ()),
    ],
)
def test_only_where_it_listens(listening: list[str], wanted: tuple[str, ...], told: tuple[str, ...]) -> None:
    assert places(listening, wanted) == told


@pytest.mark.parametrize("title", ["x" * 63, "रिया " * 4, "a.b.c", "."])
def test_a_name_on_the_network_is_one_label(title: str) -> None:
    name = instance_name(title, ID)
    assert len(name.encode()) <= MAX_NAME
    assert name.endswith(" abcdef")
    assert "." not in name


@pytest.mark.parametrize("user", ["asha", "x" * 200, "\x1b"])
def test_there_is_always_a_title(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: user)
    title = default_title()
    assert is_title(title)
    assert title.startswith(user[:40].strip("\x1b"))


def test_a_machine_that_knows_no_names_has_a_title_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", unknown)
    monkeypatch.setattr("socket.gethostname", lambda: "")
    assert default_title() == "TAlk"


# ---- which servers do it at all


@pytest.mark.parametrize(
    ("settings", "announces"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "announce": False}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.0.0.1", "behind_proxy": True}, False),
        ({"host": "0.0.0.0", "behind_proxy": True}, False),
    ],
)
async def test_which_servers_are_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], announces: bool
) -> None:
    told: list[str] = []

    async def keep(title: str, *rest: object) -> None:
        told.append(title)

    monkeypatch.setattr("talk.server.app.keep_announced", keep)
    defaults = {"data": tmp_path / "s", "port": 0, "title": "t", "announce": True}
    async with Server(Settings(**{**defaults, **settings})):
        await asyncio.sleep(0)
    assert told == (["t"] if announces else [])


async def test_a_network_that_is_not_listened_on_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(data=tmp_path / "s", host="127.0.0.2", port=0, announce=True, announce_on=("127.0.0.1",))
    async with Server(settings):
        assert "not announced" in caplog.text


async def test_a_title_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="--title"):
        await Server(Settings(data=tmp_path / "s", title="a\nb")).__aenter__()
    assert not (tmp_path / "s").exists()
