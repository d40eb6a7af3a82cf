"""The invitation that is printed when a server starts."""

from __future__ import annotations

import re

import pytest
import segno

from talk.protocol.link import Address, Link, parse_link
from talk.server.invitation import invitation

LINK = Link((Address("192.168.1.5", 7433),), "abcdefghijklmnopqrstuvwxyz234567", "abcdefghijklmnopqrstuvwxyz").text
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def text(
    link: str = LINK,
    who: tuple[str, ...] = ("people on the same network (Wi-Fi)",),
    days: int | None = 7,
    uses: int | None = 25,
    colour: bool = False,
    columns: int = 80,
) -> str:
    return invitation(link, who_can_join=who, days=days, uses=uses, colour=colour, columns=columns)


def drawn(printed: str) -> list[list[int]]:
    """The modules of the QR code in a text, 1 for dark, with its quiet zone; two rows of them stand in each line."""
    lines = [line for line in ANSI.sub("", printed).splitlines() if line and set(line) <= set(" ▀▄█")]
    rows = []
    for line in lines:
        rows.append([0 if block in "█▀" else 1 for block in line])
        rows.append([0 if block in "█▄" else 1 for block in line])
    return rows


def test_everything_a_friend_needs_is_there() -> None:
    printed = text()
    assert LINK in printed.splitlines(), "the link has a line of its own, so that it is copied without anything else"
    for words in (
        "talk join -",
        "people on the same network (Wi-Fi).",
        "7 days",
        "25 new people",
    ):
        assert words in printed
    assert "pip install" not in printed, "whoever takes that name would run code on every invited machine"
    assert printed.endswith("\n")
    assert "\x1b" not in printed


@pytest.mark.parametrize("colour", [False, True])
def test_the_code_is_segnos_with_a_quiet_zone_of_four(colour: bool) -> None:
    rows = drawn(text(colour=colour))
    expected = [list(row) for row in segno.make_qr(LINK.upper(), error="l").matrix]
    size = len(expected)
    assert [row[4:-4] for row in rows[4 : 4 + size]] == expected
    assert parse_link(LINK.upper()) == parse_link(LINK), "the code holds the link in capitals"
    assert {len(row) for row in rows} == {size + 8}
    border = rows[:4] + rows[4 + size : 4 + size + 4]
    assert not any(map(any, border))
    assert not any(any(row[:4] + row[-4:]) for row in rows[: size + 8])
    assert len(rows) - (size + 8) == size % 2


def test_with_colours_the_code_is_white_on_black_whatever_the_terminal() -> None:
    lines = text(colour=True).splitlines()
    code = [line for line in lines if "▀" in line]
    assert code
    assert all(line.startswith("\x1b[38;5;231;48;5;16m") and line.endswith("\x1b[0m") for line in code)
    assert ANSI.findall(lines[-1])[-1] == "\x1b[0m"
    assert ANSI.sub("", "\n".join(lines)) + "\n" == text()


# The capacities of ISO/IEC 18004 table 7 for capitals at level L: version 3, 37 columns wide, and version 13, 77 wide.
@pytest.mark.parametrize(("columns", "longest"), [(40, 77), (80, 619)])
def test_a_code_that_would_wrap_is_left_out(columns: int, longest: int) -> None:
    assert drawn(text("x" * longest, columns=columns))
    assert not drawn(text("x" * (longest + 1), columns=columns))


def test_a_link_beyond_any_code_is_still_shown() -> None:
    link = "x" * 5000
    printed = text(link, columns=10_000)
    assert link in printed
    assert not drawn(printed)


def test_each_kind_of_address_is_described_once() -> None:
    printed = text(who=("people nearby", "anybody", "people nearby"))
    assert printed.count("Who can join: people nearby.") == 1
    assert printed.count("Who can join: anybody.") == 1
    assert "Who can join" not in text(who=())


def test_sentences_are_wrapped_between_words() -> None:
    lines = text(who=("somebody " * 30,), columns=60).splitlines()
    assert max(len(line) for line in lines if line != LINK) <= 60


@pytest.mark.parametrize(
    ("days", "uses", "sentence"),
    [
        (7, 25, "This link is good for 7 days and for 25 new people."),
        (1, 1, "This link is good for 1 day and for 1 new person."),
        (7, None, "This link is good for 7 days."),
        (None, 2, "This link is good for 2 new people."),
        (None, None, "This link does not expire."),
    ],
)
def test_how_long_it_lasts(days: int | None, uses: int | None, sentence: str) -> None:
    assert sentence in text(days=days, uses=uses)
