"""What people type and paste, and what others called themselves."""

from __future__ import annotations

from contextlib import suppress

from tests.fuzz.harnesses.common import as_text

from talk.client.errors import NotPrivate
from talk.client.lines import Say, Tell, read_line
from talk.client.people import shown_name
from talk.protocol.errors import Refused
from talk.protocol.limits import MAX_NAME_POINTS, MAX_TEXT_BYTES, MAX_TITLE_BYTES
from talk.protocol.link import LinkError, parse_link
from talk.protocol.names import check_name, folded, skeleton, split_address, suggestions
from talk.protocol.text import check_room_text, clean_title, printable, starts_with_at


def link(data: bytes) -> None:
    """A link that was pasted; one that is read is written and read again as the same."""
    try:
        read = parse_link(as_text(data))
    except LinkError as error:
        assert str(error)
        return
    assert parse_link(read.text) == read


def name(data: bytes) -> None:
    """A name as typed; one that is taken is taken in the same form again, and has a place of its own."""
    typed = as_text(data)
    assert len(shown_name(typed)) <= MAX_NAME_POINTS
    for look in (folded, skeleton):
        with suppress(Refused):
            look(typed)
    try:
        taken = check_name(typed)
    except Refused as refused:
        assert str(refused)
        return
    assert check_name(taken) == taken
    assert len(taken) <= MAX_NAME_POINTS
    assert skeleton(taken) == skeleton(folded(taken))
    for other in suggestions(taken, lambda _: True):
        assert check_name(other) == other


def text(data: bytes) -> None:
    """A line: it is private, or public, or refused; and never a private one in public."""
    typed = as_text(data)
    assert len(clean_title(typed).encode(errors="replace")) <= MAX_TITLE_BYTES
    assert not set(printable(typed)) & set("\x00\x07\x1b\r\u202e")
    split_address(typed)
    try:
        meant = read_line(typed)
    except (NotPrivate, Refused):
        meant = None
    match meant:
        case Say(said):
            check_room_text(said)
            assert not starts_with_at(said)
            assert len(said.encode()) <= MAX_TEXT_BYTES
        case Tell(to, said):
            assert to
            assert said.strip()
    with suppress(Refused):
        check_room_text(typed)
        assert not starts_with_at(typed)
