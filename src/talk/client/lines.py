"""What a typed line means, the same in every client: for everybody, for one person, or a question to TAlk itself.

hello              to the audience: the lobby, or who was chosen with ?with
@bob hello         to bob alone, whoever the audience is
?list              a command; `??` at the start says a text that begins with one ?
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from talk.client.errors import NotPrivate
from talk.protocol.names import split_address
from talk.protocol.text import check_text, clean_text, starts_with_at

LOBBY = "lobby"
_COMMAND = re.compile(r"[?？﹖]([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Tell:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """`word` in lower case, without the question mark."""

    word: str
    argument: str


def read_line(typed: str, audience: str = LOBBY) -> Say | Tell | Ask | None:
    """What this line (or pasted text) means for this audience; None for an empty one.

    Errors: NotPrivate for an @ without a name or a text; Refused for a text that cannot be sent.
    """
    text = clean_text(typed)
    if not text.strip():
        return None
    if starts_with_at(text):
        return _private(text)
    command = _COMMAND.fullmatch(text.strip())
    if command is not None:
        return Ask(command[1].lower(), (command[2] or "").strip())
    if text.lstrip().startswith("??"):
        text = text.lstrip()[1:]
    check_text(text)
    return Say(text) if audience == LOBBY else Tell(audience, text)


def _private(text: str) -> Tell:
    address = split_address(text)
    if address is None or not address[0] or not address[1].strip():
        raise NotPrivate
    check_text(address[1])
    return Tell(*address)
