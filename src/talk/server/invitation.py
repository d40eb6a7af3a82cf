"""The invitation that the owner of a server sees when it starts, ready to paste to friends."""

from __future__ import annotations

import io
from collections.abc import Iterable
from textwrap import fill

import segno

JOIN = "talk join -"

_QUIET_ZONE = 4  # modules, ISO/IEC 18004 section 5.3.8
_BLACK_AND_WHITE = "\x1b[38;5;231;48;5;16m"
_BOLD = "\x1b[1m"
_SOFT = "\x1b[2m"
_PLAIN = "\x1b[0m"


def invitation(
    link: str, *, who_can_join: Iterable[str], days: int | None, uses: int | None, colour: bool, columns: int = 80
) -> str:
    """The text of an invitation, which ends with a newline.

    `who_can_join` are descriptions (`addresses.describe`), one per address in the link; `days` and `uses` are what the
    invite is good for, None where that has no bound. `colour` allows ANSI colours; with them the QR code is right on
    light terminals too. The code is left out where it is wider than `columns`: a broken one cannot be read.
    """
    bold, soft, plain = (_BOLD, _SOFT, _PLAIN) if colour else ("", "", "")
    parts = [
        f"{bold}Your chat is open. Send this to your friends:{plain}",
        # At the start of its line, so that a link that wraps is copied without spaces.
        f"Come and chat with me on TAlk!\n  1. {JOIN}\n  2. paste this link:\n{bold}{link}{plain}",
        _qr(link, colour, columns),
        "\n".join(fill(f"Who can join: {who}.", columns) for who in dict.fromkeys(who_can_join)),
        f"{soft}{fill(_lasts(days, uses), columns)}{plain}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _qr(link: str, colour: bool, columns: int) -> str:
    """The link as a QR code in half blocks, light on dark; "" where it does not fit."""
    try:
        # A link in capitals is the same link, and takes a smaller code.
        code = segno.make_qr(link.upper(), error="l")
    except segno.DataOverflowError:
        return ""
    if code.symbol_size(border=_QUIET_ZONE)[0] > columns:
        return ""
    drawn = io.StringIO()
    code.terminal(drawn, compact=True, border=_QUIET_ZONE)
    lines = drawn.getvalue().splitlines()
    if colour:
        lines = [f"{_BLACK_AND_WHITE}{line}{_PLAIN}" for line in lines]
    return "\n".join(lines)


def _lasts(days: int | None, uses: int | None) -> str:
    limits = []
    if days is not None:
        limits.append(f"for {_count(days, 'day')}")
    if uses is not None:
        limits.append(f"for {_count(uses, 'new person', 'new people')}")
    if not limits:
        return "This link does not expire."
    return f"This link is good {' and '.join(limits)}. Make a fresh one any time with: talk invite"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
