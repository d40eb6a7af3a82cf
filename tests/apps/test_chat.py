"""Typed lines that need no server: what they lead to, and that whatever is wrong goes to nobody."""

from __future__ import annotations

from typing import Any

import pytest

from talk.apps.chat import COMMANDS, Chat
from talk.client import Comparing, Message, PrivateMessage, UnknownName
from talk.client.errors import OnlyBlocked
from talk.client.lines import LOBBY


class Client:
    """Remembers what it was asked to do."""

    name = "asha"
    is_online = True

    def __init__(self) -> None:
        self.did: list[tuple[str, ...]] = []
        self.comparing: tuple[str, ...] = ()
        self.pages: dict[str, Any] = {}

    def __getattr__(self, action: str) -> Any:
        async def do(*words: object, **_: object) -> object:
            self.did.append((action, *(str(word) for word in words)))
            if "nobody" in words:
                raise UnknownName("nobody", ("somebody",))
            return {"person": "Bob", "accept": False, "person_account": "@bob"}.get(action)

        return do

    async def history(self, *words: object) -> object:
        self.did.append(("history", *map(str, words)))
        page = self.pages.get(str(words[2]), [])
        if isinstance(page, Exception):
            raise page
        return page

    def people(self) -> tuple[str, ...]:
        return ("asha", "bob")

    def comparisons(self) -> tuple[Comparing, ...]:
        return tuple(Comparing(id, f"@{id}", id, "emoji", (), "") for id in self.comparing)


class Face:
    def __init__(self) -> None:
        self.shown: list[tuple[str, object]] = []

    def listed(self, users: tuple[str, ...]) -> None:
        self.shown.append(("listed", users))

    def looked_back(self, messages: list[Message | PrivateMessage], *, further: bool) -> None:
        self.shown.append(("looked_back", messages))

    def helped(self, intro: str, commands: dict[str, str]) -> None:
        self.shown.append(("helped", commands))

    def told(self, text: str) -> None:
        self.shown.append(("told", text))

    def refused(self, code: str, text: str) -> None:
        self.shown.append(("refused", code))


@pytest.fixture
def chat() -> Chat:
    return Chat(Client(), Face())  # type: ignore[arg-type]


def _did(chat: Chat) -> list[tuple[str, ...]]:
    return chat._client.did  # type: ignore[attr-defined, no-any-return]


def _shown(chat: Chat) -> list[tuple[str, object]]:
    return chat._face.shown  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("line", "did"),
    [
        ("hello", ("say", "hello")),
        ("@bob psst", ("send", "bob", "psst")),
        ("\u200b＠bob psst", ("send", "bob", "psst")),
        ("??really", ("say", "?really")),
        ("?block @bob", ("block", "bob")),
        ("?unblock bob", ("unblock", "bob")),
        ("?name zara", ("rename", "zara")),
        ("?history", ("history", "lobby", "30", "0")),
        ("?more", ("history", "lobby", "30", "0")),
        ("?accept bob", ("accept", "bob")),
    ],
)
async def test_a_line_does_one_thing(chat: Chat, line: str, did: tuple[str, ...]) -> None:
    await chat.typed(line)
    assert _did(chat) == [did]
    assert chat.refusals == 0


@pytest.mark.parametrize(
    "line", ["@", "@bob", "@ bob hi", "?liste", "?block", "?unblock @", "?accept", "x" * 4001, "@nobody hi"]
)
async def test_what_is_wrong_is_refused_and_counted(chat: Chat, line: str) -> None:
    await chat.typed(line)
    assert [kind for kind, _ in _shown(chat)] == ["refused"]
    assert chat.refusals == 1
    assert not [did for did in _did(chat) if did[0] == "say"]


@pytest.mark.parametrize(
    ("line", "did"),
    [
        ("?compare @bob", ("compare", "@bob")),
        ("?same bob", ("confirm", "bob")),
        ("?differ bob", ("stop_comparing", "bob")),
    ],
)
async def test_comparing_is_with_the_person_of_that_name(chat: Chat, line: str, did: tuple[str, ...]) -> None:
    chat._client.comparing = ("asha", "bob")  # type: ignore[attr-defined]
    await chat.typed(line)
    assert _did(chat) == [("person_account", "bob"), did]
    assert chat.refusals == 0


async def test_what_is_not_compared_is_neither_the_same_nor_different(chat: Chat) -> None:
    chat._client.comparing = ("asha",)  # type: ignore[attr-defined]
    for line in ("?same bob", "?differ bob", "?same", "?differ", "?compare", "?compare nobody"):
        await chat.typed(line)
    assert chat.refusals == 6
    assert not [did for did in _did(chat) if did[0] != "person_account"]


async def test_with_changes_who_plain_lines_go_to(chat: Chat) -> None:
    await chat.typed("?with bob")
    assert chat.audience == "Bob"
    await chat.typed("only you")
    await chat.typed("?with lobby")
    assert chat.audience == LOBBY
    await chat.typed("all of you")
    assert _did(chat)[1:] == [("send", "Bob", "only you"), ("say", "all of you")]


async def test_more_goes_on_before_what_was_shown_last(chat: Chat) -> None:
    def line(seq: int) -> Message:
        return Message("lobby", seq, f"m{seq}", "bob", "hi", 0, False)

    private = PrivateMessage("p", "Bob", "asha", "psst", 0, row=7)
    chat._client.pages = {"0": [line(900), line(901)], "900": OnlyBlocked(5_000, 55), "55": [line(40)], "7": []}  # type: ignore[attr-defined]
    chat.looked_back([line(900), line(901)])
    for typed in ("?more", "?more", "?more", "?history", "?with Bob"):
        await chat.typed(typed)
    chat._client.pages["0"] = [private]  # type: ignore[attr-defined]
    for typed in ("?more", "?more"):
        await chat.typed(typed)
    asked = [did[1:] for did in _did(chat) if did[0] == "history"]
    lobby = [("100", "900"), ("100", "55"), ("100", "40"), ("30", "0")]
    assert asked == [*(("lobby", *each) for each in lobby), ("Bob", "30", "0"), ("Bob", "100", "7")]
    assert chat.refusals == 1


async def test_more_of_the_lobby_while_offline_says_what_it_is(chat: Chat) -> None:
    chat._client.is_online = False  # type: ignore[misc]
    await chat.typed("?more")
    assert [kind for kind, _ in _shown(chat)] == ["looked_back", "told"]


async def test_forget_asks_first(chat: Chat) -> None:
    await chat.typed("?forget")
    assert not (chat.left or chat.forget)
    await chat.typed("?forget yes")
    assert chat.left
    assert chat.forget


@pytest.mark.parametrize("line", ["?leave", "?quit", "?LEAVE"])
async def test_leaving(chat: Chat, line: str) -> None:
    await chat.typed(line)
    assert chat.left
    assert not chat.forget


async def test_help_names_every_command_and_list_who_is_here(chat: Chat) -> None:
    await chat.typed("?help")
    await chat.typed("?list")
    assert _shown(chat) == [("helped", COMMANDS), ("listed", ("asha", "bob"))]
    assert set(chat._actions()) == {*COMMANDS, "quit"}


async def test_an_empty_line_is_nothing(chat: Chat) -> None:
    await chat.typed("  ")
    assert (_did(chat), _shown(chat), chat.refusals) == ([], [], 0)
