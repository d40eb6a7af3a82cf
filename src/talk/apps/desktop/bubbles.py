"""How each message is laid out: its lines of text, what stands above it, and how tall all of it is. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from talk.apps.desktop import pictures
from talk.apps.desktop.fonts import needs_shaping
from talk.apps.desktop.look import BUBBLE_MOST, Look
from talk.apps.desktop.runs import EMOJI, Kind, Piece, TextLine, lay_out
from talk.apps.desktop.said import said
from talk.apps.desktop.words import _, day_words, local_time, ngettext
from talk.client import Line

GROUP_MS = 5 * 60 * 1000  # one sender's lines within this time stand together
PAD_X, PAD_Y = 13, 8
GAP, GROUP_GAP = 3, 11
AVATAR = 34
EDGE = 16
NAME_SIZE, TIME_SIZE, PILL_SIZE = 13, 11, 12
PILL, PILL_GAP = 24, 10
LARGE_EMOJI = 3  # at most so many emoji, and nothing else, are shown large
MEASURED = 50_000  # words whose width is remembered
LAID_OUT = 500  # texts whose lines are


@dataclass(frozen=True, slots=True)
class Above:
    """What stands between a message and the one before it. `hole` is how many lines are missing there."""

    first: bool
    day: str = ""
    new: bool = False
    hole: int = 0


@dataclass(slots=True)
class Box:
    """A message with what stands above and below it; pixels, y from the top of the box."""

    height: int
    x: int
    y: int
    width: int
    bubble: int
    text_y: int
    line_height: int
    lines: list[TextLine]
    name: str
    first: bool
    last: bool
    pills: list[tuple[str, str, int]] = field(default_factory=list)
    reason: list[TextLine] = field(default_factory=list)
    emoji: int = 0


def above(before: Line | None, line: Line, *, new: bool, number_before: int | None) -> Above:
    """What belongs between these two. `number_before` is that of `Feed.number_before`."""
    new_day = before is None or _day(before.at) != _day(line.at)
    hole = line.seq - number_before - 1 if line.seq and number_before is not None else 0
    grouped = (
        before is not None
        and not (new_day or new or hole > 0 or line.missed or before.mark == "failed")
        and before.account == line.account
        and 0 <= line.at - before.at < GROUP_MS
    )
    return Above(not grouped, day_words(line.at) if new_day else "", new, max(0, hole))


@lru_cache(4096)  # asked four times for each message in view, at each step
def _day(at: int) -> tuple[int, int]:
    there = local_time(at)
    return there.tm_year, there.tm_yday


class Measurer:
    """Widths of words in the look that is in use."""

    def __init__(self, look: Look) -> None:
        self.look, self._of = look, (look.scale, look.text_size)
        self._widths: dict[tuple[Kind, str], int] = {}
        self._laid_out: dict[tuple[str, int], list[TextLine]] = {}
        self.size = look.px(look.text_size)
        self.font = look.font(look.text_size)
        self.line_height = self.font.metrics("linespace") + look.px(2)
        self.small = look.font(TIME_SIZE)
        self.emoji = look.px(look.text_size * 1.35)

    @property
    def outdated(self) -> bool:
        """Whether sizes have changed since."""
        return (self.look.scale, self.look.text_size) != self._of

    def __call__(self, kind: Kind, text: str) -> int:
        width = self._widths.get((kind, text))
        if width is None:
            if len(self._widths) >= MEASURED:
                self._widths.clear()
            width = self._widths[kind, text] = self._measure(kind, text)
        return width

    def lines_of(self, text: str, most: int) -> list[TextLine]:
        """A text in lines of at most so many pixels; remembered, as the next message changes its box."""
        lines = self._laid_out.get((text, most))
        if lines is None:
            if len(self._laid_out) >= LAID_OUT:
                self._laid_out.clear()
            lines = self._laid_out[text, most] = lay_out(text, most, self, needs_shaping)
        return lines

    def small_measure(self, kind: Kind, text: str) -> int:
        """The same for the small words under a bubble."""
        return self.look.px(TIME_SIZE) * 2 if kind == Kind.EMOJI else self.small.measure(text)

    def _measure(self, kind: Kind, text: str) -> int:
        if kind == Kind.EMOJI:
            return pictures.emoji_width(text, self.emoji) + 1
        if kind == Kind.SHAPED:
            return pictures.shaped_width(text, self.size)
        return self.font.measure(text)


def lay_out_line(
    measure: Measurer, line: Line, over: Above, *, last: bool, is_room: bool, view: int, clock: str
) -> Box:
    """The box of one message in a view that is so many pixels wide. `clock` is the time as it is shown in it."""
    look = measure.look
    px = look.px
    side = px(AVATAR + 8) if is_room and not line.mine else 0
    most = min(px(BUBBLE_MOST), round((view - 2 * px(EDGE) - side) * 0.8)) - 2 * px(PAD_X)
    emoji = _large(measure, line.text)
    if emoji:
        lines = _large_lines(line.text, emoji)
        line_height = emoji + px(4)
    else:
        lines = measure.lines_of(line.text, max(40, most))
        line_height = measure.line_height
    name = line.name if is_room and over.first and not line.mine else ""
    width = max(text.width for text in lines)
    if name:
        width = max(width, min(most, look.font(NAME_SIZE, bold=True).measure(name)))
    stamp = measure.small.measure(clock) + px(8) + (px(18) if line.mine else 0)
    beside = lines[-1].width + stamp <= most
    width = max(width, lines[-1].width + stamp if beside else stamp)
    name_height = look.font(NAME_SIZE, bold=True).metrics("linespace") + px(2) if name else 0
    bubble = 2 * px(PAD_Y) + name_height + len(lines) * line_height + (0 if beside else px(TIME_SIZE + 4))
    pills, y = _pills(look, line, over)
    y += px(GROUP_GAP if over.first else GAP)
    reason = (
        lay_out(_why(line), px(BUBBLE_MOST), measure.small_measure, lambda _: False) if line.mark == "failed" else []
    )
    whole = width + 2 * px(PAD_X)
    x = view - px(EDGE) - whole if line.mine else px(EDGE) + side
    below = len(reason) * px(TIME_SIZE + 5) + px(4) if reason else 0
    return Box(
        height=y + bubble + below,
        x=x,
        y=y,
        width=whole,
        bubble=bubble,
        text_y=px(PAD_Y) + name_height,
        line_height=line_height,
        lines=lines,
        name=name,
        first=over.first,
        last=last,
        pills=pills,
        reason=reason,
        emoji=emoji,
    )


def _pills(look: Look, line: Line, over: Above) -> tuple[list[tuple[str, str, int]], int]:
    """What stands in the middle above a message, and how far down that goes."""
    pills, y = [], 0
    wanted = [("day", over.day)] if over.day else []
    if over.hole:
        words = ngettext("{} earlier message", "{} earlier messages", over.hole).format(over.hole)
        wanted.insert(0, ("hole", words))
    if over.new:
        wanted.append(("new", _("New messages")))
    if line.missed:
        words = ngettext(
            "{} earlier message did not arrive. Ask them to send it again.",
            "{} earlier messages did not arrive. Ask them to send them again.",
            line.missed,
        )
        wanted.append(("missed", words.format(line.missed)))
    for kind, text in wanted:
        y += look.px(PILL_GAP)
        pills.append((kind, text, y))
        y += look.px(PILL)
    return pills, y


def _why(line: Line) -> str:
    return _("Not sent. {reason} Click to try again.").format(reason=said(line.reason))


def _large(measure: Measurer, text: str) -> int:
    """The height of emoji that stand alone, or 0."""
    if len(text) > 40 or text.isascii():
        return 0
    rest, count = EMOJI.subn("", text)
    return measure.look.px(46) if 1 <= count <= LARGE_EMOJI and not rest.strip() else 0


def _large_lines(text: str, height: int) -> list[TextLine]:
    pieces, x = [], 0
    for found in EMOJI.finditer(text):
        width = pictures.emoji_width(found[0], height) + 4
        pieces.append(Piece(Kind.EMOJI, found[0], found.start(), x, width))
        x += width
    return [TextLine(tuple(pieces), x, 0, len(text))]
