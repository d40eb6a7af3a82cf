"""Lines and conversations as a client would give them, and a client that only knows who is here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from talk.apps.desktop.chats import Chat, State
from talk.client import Client, Conversation, Line

ME, BOB, RIYA = "@me:s", "@bob:s", "@riya:s"
ROOM = "room1"


class Stand:
    """What a chat reads of its client without waiting."""

    def __init__(self, here: dict[str, str]) -> None:
        self.account, self.name = ME, "asha"
        self.people = {ME: "asha", **here}

    def here(self) -> dict[str, str]:
        return dict(self.people)


def line(id: str, **fields: Any) -> Line:
    made = Line(0, id, ROOM, BOB, "bob", f"text {id}", 1_000, 0, "", "", False, 0)
    if fields.get("mine"):
        made = replace(made, account=ME, name="asha", mark="stored")
    return replace(made, **fields)


def conversation(key: str, name: str, **fields: Any) -> Conversation:
    return replace(Conversation(key, name, key == ROOM, None, 0, 0, "", False, False, False), **fields)


def chat(*conversations: Conversation, here: dict[str, str] | None = None) -> Chat:
    """A chat that is online, in the lobby and with these conversations."""
    made = Chat(cast(Client, Stand(here or {})))
    made.state = State.ONLINE
    made.take([conversation(ROOM, "lobby"), *conversations])
    return made
