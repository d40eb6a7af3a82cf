"""The two ways a chat is printed: JSON for programs, and lines for people."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from talk.apps.output import print_json
from talk.client import (
    CatchingUp,
    ClientEvent,
    Comparing,
    Ended,
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
from talk.encryption.sas_emoji import hindi_name
from talk.protocol.text import printable

Print = Callable[[str], None]
MANY = 5  # people in one line about who came and left
COLOURS = (31, 32, 33, 34, 35, 36, 91, 92, 94, 95, 96)  # ANSI, without those that vanish on black or white


class JsonFace:
    """One JSON object per line; the fields are kept stable."""

    def event(self, event: ClientEvent) -> None:
        print_json(_as_json(event))

    def listed(self, users: tuple[str, ...]) -> None:
        print_json({"event": "list", "users": list(users)})

    def looked_back(self, messages: list[Message | PrivateMessage], *, further: bool) -> None:
        print_json({"event": "history", "messages": [_as_json(message) for message in messages]})

    def helped(self, intro: str, commands: dict[str, str]) -> None:
        print_json({"event": "help", "commands": commands})

    def told(self, text: str) -> None:
        print_json({"event": "told", "message": text})

    def refused(self, code: str, text: str) -> None:
        print_json({"event": "error", "code": code, "message": text})


def _as_json(event: ClientEvent) -> dict[str, Any]:  # noqa: C901 - one case for each event
    match event:
        case Ready(name, users):
            return {"event": "ready", "name": name, "users": list(users)}
        case Sent(id, text, to):
            return {"event": "sent", "id": id, "text": text} | ({"to": to} if to else {})
        case Message(room, seq, id, sender, text, at):
            return {"event": "message", "room": room, "seq": seq, "id": id, "from": sender, "text": text, "at": at}
        case PrivateMessage(id, sender, to, text, at, mine, missed):
            return (
                {"event": "private", "id": id, "from": sender, "text": text, "at": at}
                | ({"to": to} if mine else {})
                | ({"missed": missed} if missed else {})
            )
        case Mark(id, state, reason, code):
            return {"event": "mark", "id": id, "state": state} | ({"code": code, "message": reason} if reason else {})
        case PeopleChanged(came, left):
            return {"event": "presence", "came": list(came), "left": list(left)}
        case Renamed(account, name):
            return {"event": "renamed", "account": account, "name": name}
        case CatchingUp(done, total):
            return {"event": "catching_up", "done": done, "total": total}
        case Offline(reason, retry_in):
            return {"event": "offline", "message": reason, "retry_in": round(retry_in, 1)}
        case Online():
            return {"event": "online"}
        case Notice(code, text):
            return {"event": "notice", "code": code, "message": text}
        case Ended(code, text):
            return {"event": "error", "code": code, "message": text}
        case Comparing(id, account, name, step, emoji, text, code):
            return (
                {"event": "comparing", "id": id, "account": account, "name": name, "step": step, "message": text}
                | ({"emoji": [list(pair) for pair in emoji]} if emoji else {})
                | ({"code": code} if code else {})
            )


class PeopleFace:
    """Lines for people. `typing` says that one's own lines are on the screen already, as they were typed.

    `hidden` are the codes of notices that are not shown.
    """

    def __init__(self, print_line: Print, *, colour: bool, typing: bool, hidden: frozenset[str] = frozenset()) -> None:
        self._print, self._colour, self._typing, self._hidden = print_line, colour, typing, hidden
        self._texts: dict[str, tuple[str, str]] = {}
        self._offline = False

    def event(self, event: ClientEvent) -> None:  # noqa: C901 - one case for each event
        match event:
            case Ready(name, users):
                others = [user for user in users if user != name]
                here = f"Here: {', '.join(others)}." if others else "Nobody else is here yet."
                self._soft(f"You are {name}. {here} ?help says what you can do.")
            case Message() if event.mine and self._typing:
                pass
            case Message() | PrivateMessage():
                self._print(self._line(event))
                if isinstance(event, PrivateMessage) and event.missed:
                    self._warn(f"{event.missed} earlier message(s) of theirs did not arrive. Ask them to send again.")
            case Sent(id, text, to):
                self._texts[id] = (text, to)
                if self._offline:
                    self._soft("You are offline; it is kept and sent when you are back.")
            case Mark(id, state, reason):
                self._mark(id, state, reason)
            case PeopleChanged(came, left):
                self._soft(_came_and_left(came, left))
            case Offline(reason):
                if not self._offline:
                    self._warn(f"Offline: {reason}. TAlk comes back by itself.")
                self._offline = True
            case Online():
                self._offline = False
                self._soft("Back online.")
            case Notice(code) if code in self._hidden:
                pass
            case Notice("gap", text):
                self._warn(f"{text} To read them: ?more")
            case Renamed() | CatchingUp():
                pass
            case Notice(_, text) | Ended(_, text):
                self._warn(text)
            case Comparing():
                self._comparing(event)

    def _mark(self, id: str, state: str, reason: str) -> None:
        text, to = self._texts.get(id, ("", ""))
        if state == "failed":
            self._warn(f"Not sent: {_short(text)} - {reason}")
        elif state == "delivered":
            self._soft(f"✓ delivered: {_short(text)}")
        if state != "stored" or not to:  # nothing more is heard of a line for everybody
            self._texts.pop(id, None)

    def _comparing(self, event: Comparing) -> None:
        if event.step == "ended":
            self._warn(event.text)
            return
        self._soft(event.text)
        for emoji, name in event.emoji:
            self._print(f"    {emoji}  {name} ({hindi_name(name)})")
        if event.step == "asked":
            self._soft(f"To agree: ?compare {event.name}")
        elif event.step == "emoji":
            self._soft(f"If all are the same: ?same {event.name}. If not: ?differ {event.name}")

    def listed(self, users: tuple[str, ...]) -> None:
        self._print(f"Here ({len(users)}): {', '.join(printable(user) for user in users)}")

    def looked_back(self, messages: list[Message | PrivateMessage], *, further: bool) -> None:
        for message in messages:
            self._print(f"{self._paint(_when(message.at), 2)} {self._line(message)}")
        if not messages:
            self._soft("Nothing is here from before that." if further else "Nothing was said here yet.")

    def helped(self, intro: str, commands: dict[str, str]) -> None:
        self._print(intro)
        for word, meaning in commands.items():
            self._print(f"  ?{word} {meaning}" if meaning[0].isupper() else f"  ?{word}: {meaning}")

    def told(self, text: str) -> None:
        self._soft(text)

    def refused(self, code: str, text: str) -> None:
        self._warn(text)

    def _line(self, event: Message | PrivateMessage) -> str:
        name = self._paint(printable(event.sender), _colour_of(event.sender))
        text = _indented(event.text)
        if isinstance(event, Message):
            return f"{name}: {text}"
        return f"{name} (private{' to ' + printable(event.to) if event.mine else ''}): {text}"

    def _soft(self, text: str) -> None:
        if text:
            self._print(self._paint(_indented(text), 2))

    def _warn(self, text: str) -> None:
        self._print(self._paint(f"! {_indented(text)}", 33))

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _indented(text: str) -> str:
    """Text that others wrote, the server among them: what follows its first line cannot pass for a line of its own."""
    return printable(text).replace("\n", "\n    ")


def _when(at: int) -> str:
    """A time by this computer's clock; "" for one that no calendar here reaches."""
    try:
        return time.strftime("%d %b %H:%M", time.localtime(at / 1000))
    except (OverflowError, ValueError, OSError):
        return ""


def _colour_of(name: str) -> int:
    return COLOURS[hashlib.sha256(name.encode()).digest()[0] % len(COLOURS)]


def _short(text: str) -> str:
    line = text.replace("\n", " ")
    return line if len(line) <= 40 else f"{line[:39]}…"


def _came_and_left(came: tuple[str, ...], left: tuple[str, ...]) -> str:
    parts = []
    if came:
        parts.append(f"{_names(came)} {'is' if len(came) == 1 else 'are'} here")
    if left:
        parts.append(f"{_names(left)} {'has' if len(left) == 1 else 'have'} left")
    return ", ".join(parts)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= MANY else f"{', '.join(names[:MANY])} and {len(names) - MANY} more"
