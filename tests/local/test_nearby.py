"""Announcing and hearing on real sockets, on the loopback interface alone, each test under a type of its own."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
from zeroconf.asyncio import AsyncServiceInfo

from talk.local import nearby
from talk.local.errors import NearbyFailed
from talk.local.nearby import MAX_SERVICES, Service, announced, watch

HERE = ["127.0.0.1"]
PATIENCE = 30.0  # seconds
GROUP = ("224.0.0.251", 5353)
Services = tuple[Service, ...]


@pytest.fixture
def kind() -> str:
    return f"_t{secrets.token_hex(5)}._tcp"


class Watched:
    """The list as it is now, kept by a task."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.now: Services = ()
        self.lists = 0
        self._moved = asyncio.Event()

    async def keep(self) -> None:
        async with aclosing(watch(self._kind, interfaces=HERE)) as lists:
            async for services in lists:
                self.now = services
                self.lists += 1
                self._moved.set()

    async def until(self, wanted: Callable[[Services], bool]) -> Services:
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.now):
                self._moved.clear()
                await self._moved.wait()
        return self.now

    def names(self) -> set[str]:
        return {service.name for service in self.now}


@pytest.fixture
async def watched(kind: str) -> AsyncIterator[Watched]:
    watched = Watched(kind)
    task = asyncio.create_task(watched.keep())
    yield watched
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def service(name: str = "one", **properties: str) -> Service:
    return Service(name, ("127.0.0.1", "fd00::7"), 7433, properties)


async def test_what_is_announced_is_found_and_gone_when_it_ends(kind: str, watched: Watched) -> None:
    async with announced(kind, service(id="x", text="नमस्ते"), host="t-one", interfaces=HERE):
        [found] = await watched.until(lambda now: len(now) == 1)
        assert found == service(id="x", text="नमस्ते")
    await watched.until(lambda now: now == ())


async def test_who_looks_later_finds_what_is_there(kind: str) -> None:
    async with (
        announced(kind, service(), host="t-one", interfaces=HERE),
        asyncio.timeout(PATIENCE),
        aclosing(watch(kind, interfaces=HERE)) as lists,
    ):
        assert await anext(lists) == (service(),)


@pytest.mark.parametrize("name", ["Asha's (chat)", "रिया 🎉", "a\\b", "x" * 63])
async def test_names_come_as_they_were_given(kind: str, watched: Watched, name: str) -> None:
    async with announced(kind, service(name), host="t-one", interfaces=HERE):
        await watched.until(lambda now: len(now) == 1)
        assert watched.names() == {name}


async def test_a_list_comes_only_when_something_changes(kind: str) -> None:
    async with (
        announced(kind, service(), host="t-one", interfaces=HERE),
        asyncio.timeout(PATIENCE),
        aclosing(watch(kind, interfaces=HERE)) as lists,
    ):
        await anext(lists)
        next_one = asyncio.create_task(anext(lists))
        done, _ = await asyncio.wait({next_one}, timeout=5 * nearby.GATHER)
        assert not done
        async with announced(kind, service("two"), host="t-two", interfaces=HERE):
            assert {each.name for each in await next_one} == {"one", "two"}


async def test_a_network_without_multicast_is_said(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroconf._utils.net.add_multicast_member", lambda *_: False)
    with pytest.raises(NearbyFailed, match="no such network"):
        await anext(watch(kind, interfaces=HERE))


async def test_an_address_that_is_not_ours_is_said(kind: str) -> None:
    with pytest.raises(NearbyFailed, match="Use links instead"):
        async with announced(kind, service(), host="t-one", interfaces=["203.0.113.77"]):
            pass
    with pytest.raises(NearbyFailed, match="Use links instead"):
        await anext(watch(kind, interfaces=["203.0.113.77"]))


@pytest.mark.parametrize("name", ["bell\x07", "x" * 64, "a.b", ""])
async def test_a_name_that_cannot_be_announced_is_said(kind: str, name: str) -> None:
    with pytest.raises(NearbyFailed):
        async with announced(kind, service(name), host="t-one", interfaces=HERE):
            pass


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only how long is waited changes."""
    monkeypatch.setattr(nearby, "HOLDS_FOR", 1)
    monkeypatch.setattr(nearby, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(nearby, "STILL_THERE_WITHIN", 3.0)


async def test_who_is_there_stays_however_often_it_is_looked_again(
    kind: str, impatient: None, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, seen = 0, asyncio.Event()
    resolve = nearby._Watcher._resolve

    async def counting(self: nearby._Watcher, name: str, within: float) -> None:
        nonlocal asked
        asked += not AsyncServiceInfo(self._kind, name).load_from_cache(self._zeroconf)
        await resolve(self, name, within)
        if asked >= 3:
            seen.set()

    async with announced(kind, service(id="x"), host="t-one", interfaces=HERE):
        await watched.until(lambda now: now == (service(id="x"),))
        lists = watched.lists
        monkeypatch.setattr(nearby._Watcher, "_resolve", counting)
        async with asyncio.timeout(PATIENCE):
            await seen.wait()
        assert watched.now == (service(id="x"),)
        assert watched.lists == lists


# ---- what strangers say


def name(*labels: str | bytes) -> bytes:
    encoded = [label.encode() if isinstance(label, str) else label for label in labels]
    return b"".join(bytes([len(label)]) + label for label in encoded) + b"\0"


def record(owner: bytes, kind: int, data: bytes, ttl: int = 120) -> bytes:
    """RFC 1035 section 4.1.3; class IN."""
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class Stranger:
    """Says anything to the group, on the loopback interface."""

    def __init__(self, kind: str) -> None:
        self.type = (*kind.split("."), "local")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        self._socket.bind(("127.0.0.1", 0))

    def close(self) -> None:
        self._socket.close()

    def say(self, data: bytes) -> None:
        self._socket.sendto(data, GROUP)

    def answer(self, *records: bytes) -> None:
        self.say(struct.pack(">6H", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records))

    def announce(
        self,
        label: str | bytes,
        *,
        port: int = 1,
        text: bytes = b"\x04id=x",
        addresses: tuple[str, ...] = ("127.0.0.1",),
        ending: tuple[str, ...] = (),
        holds_for: int = 120,
    ) -> None:
        full = name(label, *(ending or self.type))
        host = name("h" + secrets.token_hex(4), "local")
        self.answer(
            record(name(*self.type), 12, full),
            record(full, 33, struct.pack(">3H", 0, 0, port) + host, holds_for),
            record(full, 16, text),
            *(record(host, 1, socket.inet_aton(address), holds_for) for address in addresses),
        )


@pytest.fixture
async def stranger(kind: str, watched: Watched) -> AsyncIterator[Stranger]:
    """Speaks once `watched` listens."""
    async with announced(kind, service("first"), host="t-first", interfaces=HERE):
        await watched.until(lambda now: len(now) == 1)
    await watched.until(lambda now: now == ())
    stranger = Stranger(kind)
    yield stranger
    stranger.close()


async def still_listens(stranger: Stranger, watched: Watched) -> None:
    """What the stranger said before has been worked through by then: datagrams on loopback keep their order."""
    stranger.announce("last")
    await watched.until(lambda now: any(service.name == "last" for service in now))


async def test_a_well_formed_stranger_is_heard(stranger: Stranger, watched: Watched) -> None:
    await still_listens(stranger, watched)
    assert watched.now == (Service("last", ("127.0.0.1",), 1, {"id": "x"}),)


async def test_who_ends_without_a_goodbye_leaves_the_list_and_may_come_back(
    impatient: None, stranger: Stranger, watched: Watched
) -> None:
    stranger.announce("killed", holds_for=1)
    await watched.until(lambda now: len(now) == 1)
    await watched.until(lambda now: now == ())
    stranger.announce("killed", holds_for=1)
    await watched.until(lambda now: len(now) == 1)


async def test_malformed_announcements_are_dropped_and_the_next_one_is_heard(
    stranger: Stranger, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for size in (0, 1, 11, 12, 100, 8000):
        stranger.say(secrets.token_bytes(size))
    stranger.say(struct.pack(">6H", 0, 0x8400, 0, 9, 0, 0) + b"\xc0\x0c")  # a name that leads to itself
    stranger.announce(b"\xff\xfe\xfd" * 21)
    stranger.announce(b"\xed\xa0\x80")  # half a surrogate
    stranger.announce("bell\x07")
    stranger.announce("del\x7f")
    stranger.announce("other", ending=("_http", "_tcp", "local"))
    stranger.announce("no port", port=0)
    stranger.announce("no address", addresses=())
    stranger.announce("long text", text=b"".join(b"\xff" + b"k=" + b"v" * 253 for _ in range(6)))
    stranger.answer(record(name(*stranger.type), 12, name(*stranger.type)))
    stranger.answer(record(name(*stranger.type), 12, name("a" * 63, "b" * 63, "c" * 63, *stranger.type)))
    await still_listens(stranger, watched)
    assert watched.names() == {"last"}
    assert not caplog.records


async def test_fields_are_bounded(stranger: Stranger, watched: Watched) -> None:
    many = b"".join(bytes([4]) + b"%03d=" % number for number in range(100))
    stranger.announce("many", text=many + b"\x04\xff=ab", addresses=tuple(f"127.0.1.{n}" for n in range(1, 30)))
    [found] = await watched.until(lambda now: len(now) == 1)
    assert len(found.addresses) == nearby.MAX_ADDRESSES
    assert len(found.properties) == nearby.MAX_PROPERTIES


async def test_properties_are_text_and_the_first_of_a_name_counts(stranger: Stranger, watched: Watched) -> None:
    stranger.announce("odd", text=b"\x04ID=x\x04id=y\x04t=\xff\xfe\x04flag\x00")
    [found] = await watched.until(lambda now: len(now) == 1)
    assert found.properties == {"id": "x", "flag": ""}


async def test_a_flood_of_services_is_bounded(stranger: Stranger, watched: Watched) -> None:
    for number in range(3 * MAX_SERVICES):
        stranger.announce(f"flood {number}")
        await asyncio.sleep(0)
    await watched.until(lambda now: len(now) == MAX_SERVICES)
    stranger.announce("flood 0", port=2)
    await watched.until(lambda now: any(service.port == 2 for service in now))
    assert len(watched.now) == MAX_SERVICES


async def test_services_that_never_say_where_they_are_make_room_again(
    stranger: Stranger, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearby, "RESOLVE_WITHIN", 0.2)
    for number in range(MAX_SERVICES):
        stranger.answer(record(name(*stranger.type), 12, name(f"empty {number}", *stranger.type)))
    async with asyncio.timeout(PATIENCE):
        tries = 0
        while not watched.now:
            stranger.announce(f"real {(tries := tries + 1)}")
            await asyncio.sleep(0.1)
