"""Which announcements become chats that one can join, and what of them is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from talk.client import nearby
from talk.client.nearby import Found, servers_nearby
from talk.local.nearby import Service
from talk.protocol.link import parse_link
from talk.server.app import Server, Settings

PATIENCE = 30.0  # seconds
ID = "a" * 32
GOOD = {"id": ID, "title": "Asha's chat", "v": "1", "invite": "1", "tls": "1"}


def service(*addresses: str, port: int = 7433, **said: str) -> Service:
    return Service("any", addresses or ("192.168.1.5",), port, {**GOOD, **said})


async def found(monkeypatch: pytest.MonkeyPatch, *lists: tuple[Service, ...]) -> list[tuple[Found, ...]]:
    async def heard(kind: str, *, interfaces: tuple[str, ...]) -> AsyncGenerator[tuple[Service, ...], None]:
        for services in lists:
            yield services

    monkeypatch.setattr(nearby, "watch", heard)
    return [chats async for chats in servers_nearby()]


async def test_an_announcement_becomes_a_link_without_an_invitation(monkeypatch: pytest.MonkeyPatch) -> None:
    [[chat]] = await found(monkeypatch, (service("192.168.1.5", "fd00::5"),))
    assert (chat.title, chat.invite_needed, chat.server) == ("Asha's chat", True, ID)
    assert chat.addresses == ("192.168.1.5:7433", "[fd00::5]:7433")
    link = parse_link(chat.link)
    assert (link.server, link.token, link.local) == (ID, "", False)
    assert tuple(map(str, link.addresses)) == chat.addresses


@pytest.mark.parametrize(("said", "needed"), [("0", False), ("1", True), ("", True), ("no", True)])
async def test_without_a_clear_word_an_invitation_is_needed(
    monkeypatch: pytest.MonkeyPatch, said: str, needed: bool
) -> None:
    [[chat]] = await found(monkeypatch, (service(invite=said),))
    assert chat.invite_needed is needed


@pytest.mark.parametrize(
    "bad",
    [
        service(id=""),
        service(id="A" * 32),
        service(id=ID + ".x"),
        service(id="../" + ID),
        service(title=""),
        service(title="\u200b\x1b"),
        service(tls="0"),
        service(v="2"),
        service(v=""),
        service("127.0.0.1"),
        service("::1"),
        service("::ffff:127.0.0.1"),
        service("0.0.0.0"),
        service("224.0.0.251"),
        service("fe80::1"),
        service("x y"),
        Service("any", ("192.168.1.5",), 7433, {}),
    ],
    ids=lambda bad: repr((bad.addresses, {**bad.properties}))[:80],
)
async def test_what_cannot_be_joined_is_no_chat(monkeypatch: pytest.MonkeyPatch, bad: Service) -> None:
    good = service("192.168.1.6")
    [[chat]] = await found(monkeypatch, (bad, good))
    assert chat.addresses == ("192.168.1.6:7433",)


async def test_a_title_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    [[chat]] = await found(monkeypatch, (service(title="a\x1b[31m\u202eb\n" + "c" * 200),))
    assert chat.title == "a[31mb " + "c" * 56


async def test_a_newer_server_that_speaks_our_version_too_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(await found(monkeypatch, (service(v="1,2"),))) == 1


async def test_lists_are_in_order_and_come_only_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = service("10.0.0.1", title="a"), service("10.0.0.2", title="B")
    lists = await found(monkeypatch, (b, a), (a, b), (a, b, service(tls="0")), (a, b, b), (b,), ())
    assert [[chat.title for chat in chats] for chats in lists] == [["a", "B"], ["B"], []]


async def test_a_server_is_found_and_gone_when_it_stops(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "s", host="0.0.0.0", port=0, title="Dr. Rao's class", announce=True, announce_on=("127.0.0.1",)
    )
    async with asyncio.timeout(PATIENCE), aclosing(servers_nearby(interfaces=["127.0.0.1"])) as lists:
        async with Server(settings) as server:
            id, port = parse_link(server.link).server, server.address.rpartition(":")[2]
            async for chats in lists:  # other tests have servers too
                if mine := [chat for chat in chats if chat.server == id]:
                    break
        assert [(chat.title, chat.invite_needed, chat.addresses) for chat in mine] == [
            ("Dr. Rao's class", True, (f"127.0.0.1:{port}",))
        ]
        if any(chat.server == id for chat in chats):
            async for chats in lists:
                if not any(chat.server == id for chat in chats):
                    break
