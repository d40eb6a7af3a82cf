"""What the window knows of one chat: its conversations, lines, people and state, as the client tells of them.

No widgets, no waiting: an event goes in, and out comes what has to be drawn anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from talk.apps.desktop.feed import Feed, marked
from talk.apps.desktop.said import said
from talk.apps.desktop.words import _
from talk.client import (
    CatchingUp,
    Client,
    ClientEvent,
    Comparing,
    Conversation,
    Ended,
    Line,
    Mark,
    Message,
    Notice,
    Offline,
    Online,
    PeopleChanged,
    PrivateMessage,
    Ready,
    Renamed,
    Sent,
)

ROOM_TITLES = {"lobby": "Lobby"}


class Part(Enum):
    """What of the window has to be drawn anew."""

    CONVERSATIONS = auto()
    FEED = auto()
    PEOPLE = auto()
    STATUS = auto()
    RELOAD = auto()  # ask the client for its conversations


class State(Enum):
    """How a chat is: being opened; its server out of reach, or reached; over for good; or not to be opened here."""

    OPENING = auto()
    CONNECTING = auto()
    ONLINE = auto()
    OFFLINE = auto()
    ENDED = auto()
    CLOSED = auto()


@dataclass(slots=True)
class Changes:
    """What an event has led to. `key` is the conversation that `parts` are about, "" for all."""

    parts: set[Part] = field(default_factory=set)
    key: str = ""
    line: Line | None = None
    notice: Notice | None = None
    comparing: Comparing | None = None


class Chat:
    """One profile in the window. `retry_at` is when the next try to connect is, in seconds since 1970."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.title = ""
        self.state = State.OPENING
        self.words = ""
        self.code = ""
        self.retry_at = 0.0
        self.catching: tuple[int, int] | None = None
        self.conversations: dict[str, Conversation] = {}
        self.feeds: dict[str, Feed] = {}
        self.shown = ""  # key of the conversation that was last on the screen
        self.notices: list[Notice] = []
        self._counted: dict[str, int] = {}  # key → the row up to which lines are in its `unread` and `last`
        self._touched: dict[str, dict[str, Any]] = {}  # what a person has changed since the client was last asked

    @property
    def unread(self) -> int:
        return sum(each.unread for each in self.conversations.values() if not each.muted)

    def here(self) -> dict[str, str]:
        """Who is connected, account to name: nobody that can be known of while there is no connection."""
        return self.client.here() if self.state == State.ONLINE else {}

    def in_order(self) -> list[Conversation]:
        """Rooms first, then who wrote last."""
        return sorted(
            self.conversations.values(), key=lambda each: (not each.is_room, -(each.last.at if each.last else 0))
        )

    def title_of(self, key: str) -> str:
        """What a conversation is called on the screen."""
        found = self.conversations.get(key)
        if found is None:
            return ""
        return _("Lobby") if found.is_room and found.name in ROOM_TITLES else found.name or _("Somebody")

    def feed(self, key: str) -> Feed:
        if key not in self.feeds:
            conversation = self.conversations.get(key)
            self.feeds[key] = Feed(key, is_room=conversation is None or conversation.is_room)
        return self.feeds[key]

    def asking(self) -> None:
        """The client is about to be asked for its conversations: what is changed from now on it may not know yet."""
        self._touched.clear()

    def take(self, conversations: list[Conversation]) -> None:
        """What the client has, asked anew. What has not been stored anywhere yet stays."""
        fresh = {each.key: each for each in conversations}
        for key, before in self.conversations.items():
            if key not in fresh and before.last is None:
                fresh[key] = before
        for key, each in fresh.items():
            fields = dict(self._touched.get(key, {}))
            if "read" in fields:  # it counted from an earlier row; what was told since is counted here already
                fields["unread"] = self.conversations[key].unread
            else:
                self._counted[key] = max(self._counted.get(key, 0), each.last.row if each.last else 0)
            fresh[key] = replace(each, **fields)
        self.conversations = fresh

    def begin_with(self, account: str, name: str) -> None:
        """Let there be a conversation with this person, though nothing was said yet."""
        if account not in self.conversations:
            self.conversations[account] = Conversation(account, name, False, None, 0, 0, "", False, False, False)

    def change(self, key: str, **fields: Any) -> None:
        """Change what is known of a conversation, because a person did something in it."""
        if key in self.conversations:
            self._touched.setdefault(key, {}).update(fields)
            self._set(key, **fields)

    def _set(self, key: str, **fields: Any) -> None:
        if key in self.conversations:
            self.conversations[key] = replace(self.conversations[key], **fields)

    # ---- what the client tells

    def told(self, event: ClientEvent, *, reading: str) -> Changes:  # noqa: C901 - one case for each event
        """Take in an event. `reading` is the conversation that somebody is looking at right now, "" for none."""
        match event:
            case Ready() | Online():
                self.state, self.words, self.catching = State.ONLINE, "", None
                return Changes({Part.STATUS, Part.PEOPLE, Part.RELOAD})
            case Offline(reason, retry_in):
                self.state, self.words, self.retry_at = State.OFFLINE, said(reason), time.time() + retry_in
                self.catching = None
                return Changes({Part.STATUS, Part.PEOPLE})
            case Ended(code):
                self.state, self.words, self.code, self.catching = State.ENDED, said(event), code, None
                return Changes({Part.STATUS, Part.PEOPLE})
            case CatchingUp(done, total):
                self.catching = (done, total) if done < total else None
                return Changes({Part.STATUS})
            case Message() | PrivateMessage():
                return self._received(event, reading)
            case Sent():
                return self._sent(event)
            case Mark(id, state, reason):
                return self._marked(id, state, reason)
            case PeopleChanged():
                return Changes({Part.PEOPLE})
            case Renamed(account, name):
                self._set(account, name=name)
                return Changes({Part.PEOPLE, Part.CONVERSATIONS})
            case Notice():
                return self._noticed(event)
            case Comparing():
                return Changes(comparing=event)
        return Changes()

    def _noticed(self, notice: Notice) -> Changes:
        self.notices = [*self.notices[-99:], notice]
        # What changes whom one talks to changes the list as well.
        return Changes({Part.RELOAD} if notice.code in ("name_moved", "new_device", "gap") else set(), notice=notice)

    def _received(self, event: Message | PrivateMessage, reading: str) -> Changes:
        seq, missed = (event.seq, 0) if isinstance(event, Message) else (0, event.missed)
        is_known = event.conversation in self.conversations
        if isinstance(event, PrivateMessage) and event.conversation:
            self.begin_with(event.conversation, event.to if event.mine else event.sender)
        line = Line(
            event.row,
            event.id,
            event.conversation,
            event.account,
            event.sender,
            event.text,
            event.at,
            seq,
            "stored" if event.mine else "",
            "",
            event.mine,
            missed,
        )
        changes = self._add(line, reading)
        if not is_known:
            changes.parts.add(Part.RELOAD)
        return changes

    def _add(self, line: Line, reading: str) -> Changes:
        key = line.conversation
        new = True
        if key in self.feeds:
            new = self.feeds[key].add(line)
        conversation = self.conversations.get(key)
        if conversation is None:
            return Changes({Part.RELOAD, Part.FEED}, key, line)
        # By rows, because clocks differ. A line that the client's answer had in it already is not counted again.
        later = line.row > self._counted.get(key, 0)
        self._counted[key] = max(self._counted.get(key, 0), line.row)
        last, unread = conversation.last, conversation.unread
        if last is None or later or not line.row or (last.id, last.account) == (line.id, line.account):
            last = line
        if new and later and not line.mine and key != reading and line.row > conversation.read:
            unread += 1
        self._set(key, last=last, unread=unread)
        return Changes({Part.CONVERSATIONS, Part.FEED}, key, line)

    def _sent(self, sent: Sent) -> Changes:
        if not sent.conversation:
            return Changes({Part.RELOAD})
        line = Line(
            0, sent.id, sent.conversation, self.client.account, self.client.name, sent.text, _now(), 0, "sending", "",
            True, 0,
        )  # fmt: skip
        return self._add(line, sent.conversation)

    def _marked(self, id: str, mark: str, reason: str) -> Changes:
        for key, conversation in self.conversations.items():
            last = conversation.last
            if last is not None and last.mine and last.id == id:
                self._set(key, last=marked(last, mark, reason))
        for key, feed in self.feeds.items():
            if feed.mark(id, mark, reason):
                return Changes({Part.CONVERSATIONS, Part.FEED}, key)
        return Changes({Part.CONVERSATIONS})


def _now() -> int:
    return time.time_ns() // 1_000_000
