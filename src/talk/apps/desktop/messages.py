"""The messages of a conversation on one canvas. Only what is visible has items on it, so everything costs the same for
ten messages as for a hundred thousand.

The place is (index of the top message, how many pixels of it are above the edge).
"""

from __future__ import annotations

import contextlib
import math
import time
import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass

from talk.apps.desktop.bubbles import Above, Box, Measurer, above, lay_out_line
from talk.apps.desktop.drawing import Painter
from talk.apps.desktop.feed import Feed
from talk.apps.desktop.look import Look
from talk.apps.desktop.selection import Place, Selection
from talk.apps.desktop.words import clock
from talk.client import Line

WHEEL = 84  # pixels for one step of a wheel
FRAME = 16  # milliseconds
EASE = 0.32  # of what is left to scroll, in each frame
OLDER_WITHIN = 1_500  # pixels from the top, from which on older lines are fetched
LEAST = 24  # no message is less tall than so many pixels
FOOT = 10  # pixels under the last message
PICTURES = 0.002  # seconds at a time to draw words and emoji that are pictures


@dataclass(frozen=True, slots=True)
class Listener:
    """What the list tells the window. `menu` gets the line and the place on the screen."""

    older: Callable[[], object]
    hole: Callable[[Line], object]
    viewed: Callable[[bool], object]
    menu: Callable[[Line, int, int], object]
    link: Callable[[str], object]
    retry: Callable[[Line], object]
    person: Callable[[Line], object]


class MessageList(tk.Canvas):
    """Shows a feed. `show` gives it one; `changed` says that the feed has changed."""

    def __init__(self, master: tk.Misc, look: Look, listener: Listener) -> None:
        super().__init__(master, highlightthickness=0, bd=0, takefocus=1, background=look.palette.back)
        self.look, self.listener = look, listener
        self.feed = Feed("", is_room=True)
        self.measure = Measurer(look)
        self.painter = Painter(self, look)
        self.selection = Selection(self)
        self.follow = True
        self.current = ""  # id of the message chosen with the keyboard
        self._top = self._offset = 0
        self._boxes: dict[tuple[str, str], tuple[tuple[object, ...], Box]] = {}
        self._drawn: dict[tuple[str, str], tuple[int, Box, Line]] = {}
        self._left = 0.0
        self._frame = self._rest = ""
        self._size = (1, 1)
        self._at_bottom: bool | None = None
        self.bind("<Configure>", self._resized)
        self._bind_scrolling()
        look.listen(self.look_changed)

    def _bind_scrolling(self) -> None:
        self.bind("<Button-4>", lambda _: self.glide(-WHEEL))
        self.bind("<Button-5>", lambda _: self.glide(WHEEL))
        self.bind("<MouseWheel>", lambda event: self.glide(-event.delta * WHEEL / max(120, abs(event.delta))))
        for key, pages in (("<Prior>", -0.9), ("<Next>", 0.9)):
            self.bind(key, lambda _, pages=pages: self.glide(pages * self.winfo_height()))  # type: ignore[misc]
        self.bind("<Home>", lambda _: self.to_top())
        self.bind("<End>", lambda _: self.to_bottom())
        self.bind("<Up>", lambda _: self._choose(-1))
        self.bind("<Down>", lambda _: self._choose(1))
        self.bind("<FocusOut>", lambda _: self._choose_none())

    # ---- what is shown

    def show(self, feed: Feed) -> None:
        """Show another conversation, from its newest line on."""
        self.feed = feed
        self.selection.clear()
        self.current = ""
        self._boxes.clear()
        self._wipe()
        self._left = 0.0
        self.to_bottom()

    def changed(self, *, older: int = 0) -> None:
        """The feed has changed; `older` lines of that were put at its top."""
        if older:
            self._top += older
        if self.follow:
            self.to_bottom()
        else:
            self._draw()

    def removed_older(self, count: int) -> None:
        """So many of the oldest lines were let go."""
        self._top = max(0, self._top - count)
        self._draw()

    def look_changed(self) -> None:
        """Draw everything anew."""
        self.configure(background=self.look.palette.back)
        if self.measure.outdated:  # in other colours everything stays where it is
            self.measure = Measurer(self.look)
            self._boxes.clear()
        self.painter = Painter(self, self.look)
        self._wipe()
        self.changed()

    def _resized(self, event: tk.Event[MessageList]) -> None:
        size = (event.width, event.height)
        if size == self._size:
            return
        if size[0] != self._size[0]:
            self._boxes.clear()
        self._size = size
        self._wipe()
        self.changed()

    def _wipe(self) -> None:
        self.delete("all")
        self._drawn.clear()
        self.painter.forget()

    # ---- laying out

    def box(self, index: int) -> Box:
        """The box of a message, laid out once for as long as nothing about it changes."""
        lines, feed = self.feed.lines, self.feed
        line = lines[index]
        before = lines[index - 1] if index else None
        after = lines[index + 1] if index + 1 < len(lines) else None
        # Asked for eighty messages in each frame, and nearly always the same: so this compares, and works out nothing.
        state = (before, line, after, feed.new_after, feed.complete, len(feed.filled))
        known = self._boxes.get((line.account, line.id))
        if known is not None and known[0] == state:
            return known[1]
        box = lay_out_line(
            self.measure,
            line,
            self.above(index),
            last=after is None or self.above(index + 1).first,
            is_room=feed.is_room,
            view=self._size[0],
            clock=clock(line.at),
        )
        self._boxes[line.account, line.id] = (state, box)
        return box

    def above(self, index: int) -> Above:
        lines, feed = self.feed.lines, self.feed
        line = lines[index]
        before = lines[index - 1] if index else None
        was_read = before is None or before.row <= feed.new_after
        new = bool(feed.new_after and line.row > feed.new_after and was_read and not line.mine)
        number_before = feed.number_before(index)
        over = above(before, line, new=new, number_before=number_before)
        # Lines without a place of their own, and those that wait, are no holes; nor is what older pages will fill.
        if over.hole and (line.seq in feed.filled or (number_before == 0 and not feed.complete)):
            return Above(over.first, over.day, over.new, 0)
        return over

    def _height(self, index: int) -> int:
        return self.box(index).height

    # ---- scrolling

    def glide(self, pixels: float) -> str:
        """Scroll, softly."""
        self._left += pixels
        if not self._frame:
            self._frame = self.after(0, self._glide_on)
        return "break"

    def _glide_on(self) -> None:
        self._frame = ""
        begun = time.perf_counter()
        step = self._left * EASE
        if abs(self._left) < 2:
            step = self._left
        self._left -= step
        moved = self.scroll_by(round(step) or (1 if step > 0 else -1))
        if moved and abs(self._left) >= 1:
            # What this frame has taken counts: with 9 ms of drawing and 16 of waiting none would be under 25 ms.
            taken = int(1000 * (time.perf_counter() - begun))
            self._frame = self.after(max(1, FRAME - taken), self._glide_on)
        else:
            self._left = 0.0

    def scroll_by(self, pixels: int) -> bool:
        """Scroll at once; False when there is nothing more in that direction."""
        count = len(self.feed.lines)
        if not count:
            return False
        before = (self._top, self._offset)
        self._offset += pixels
        while self._offset < 0 and self._top > 0:
            self._top -= 1
            self._offset += self._height(self._top)
        self._offset = max(0, self._offset)
        while self._top < count - 1 and self._offset >= (height := self._height(self._top)):
            self._offset -= height
            self._top += 1
        if self._ends_above(self._size[1] - self.look.px(FOOT)):
            self.to_bottom()
        else:
            self.follow = False
            self._draw()
        self._ask_for_older()
        return before != (self._top, self._offset)

    def _ends_above(self, y: int) -> bool:
        """Whether the last message ends above this height of the view."""
        bottom, index = -self._offset, self._top
        while index < len(self.feed.lines) and bottom <= y:
            bottom += self._height(index)
            index += 1
        return index == len(self.feed.lines) and bottom <= y

    def to_bottom(self) -> str:
        """Go to the newest message, and stay there as more come."""
        y, index = self._size[1] - self.look.px(FOOT), len(self.feed.lines)
        while index > 0 and y > 0:
            index -= 1
            y -= self._height(index)
        self._top, self._offset = index, -y
        self.follow = True
        self._draw()
        self._ask_for_older()
        return "break"

    def to_top(self) -> str:
        self._top = self._offset = 0
        self.follow = False
        self._draw()
        self._ask_for_older()
        return "break"

    def drag_to(self, y: int) -> None:
        """The thumb of the scroll bar was dragged to this height."""
        count = len(self.feed.lines)
        place = max(0.0, min(1.0, y / max(1, self._size[1]))) * count
        if place >= count - 1:
            self.to_bottom()
            return
        self._top = int(place)
        self._offset = round((place - self._top) * self._height(self._top))
        self.scroll_by(0)

    def _ask_for_older(self) -> None:
        if self.feed.complete or not self.feed.loaded or self._top * LEAST > OLDER_WITHIN:
            return
        y, index = self._offset, self._top
        while index > 0 and y < OLDER_WITHIN:
            index -= 1
            y += self._height(index)
        if y < OLDER_WITHIN:
            self.listener.older()

    # ---- drawing

    def _draw(self) -> None:
        """Put on the canvas what is visible now, take off what is not, and move what stays."""
        lines, visible = self.feed.lines, {}
        y, index = -self._offset, self._top
        while index < len(lines) and y < self._size[1]:
            box = self.box(index)
            visible[lines[index].account, lines[index].id] = (y, box, lines[index])
            y += box.height
            index += 1
        for key in [key for key in self._drawn if key not in visible or self._drawn[key][1] is not visible[key][1]]:
            del self._drawn[key]
            self.painter.remove(key)
        self._move(visible)
        # On an empty canvas all appears at once; what joins others has its pictures a moment later (2 ms of 7, p99).
        self.painter.pictures_within(0 if self._drawn else math.inf)
        for key, (top, box, line) in visible.items():
            if key not in self._drawn:
                self.painter.draw(key, top, box, line, is_room=self.feed.is_room)
                self.selection.draw(line)
                self._drawn[key] = (top, box, line)
        self.painter.thumb(self._top, index, len(lines), self._size)
        self._draw_rest_soon()
        self._tell(y)
        self._find_holes(visible)

    def _draw_rest_soon(self) -> None:
        if self.painter.is_unfinished and not self._rest:
            self._rest = self.after(1, self._draw_rest)

    def _draw_rest(self) -> None:
        self._rest = ""
        self.painter.pictures_within(PICTURES)
        self.painter.draw_rest({key: top for key, (top, _, _) in self._drawn.items()})
        self._draw_rest_soon()

    def _move(self, visible: dict[tuple[str, str], tuple[int, Box, Line]]) -> None:
        distances = {key: visible[key][0] - self._drawn[key][0] for key in self._drawn}
        if len(set(distances.values())) == 1:
            distance = next(iter(distances.values()))
            if distance:
                self.move("message", 0, distance)
        else:
            for key, distance in distances.items():
                if distance:
                    self.painter.move(key, distance)
        for key in distances:
            self._drawn[key] = visible[key]

    def _tell(self, end: int) -> None:
        at_bottom = self.follow or end <= self._size[1]
        if at_bottom != self._at_bottom:
            self._at_bottom = at_bottom
            self.listener.viewed(at_bottom)

    def _find_holes(self, visible: dict[tuple[str, str], tuple[int, Box, Line]]) -> None:
        for _, box, line in visible.values():
            if any(kind == "hole" for kind, *_rest in box.pills):
                self.listener.hole(line)

    def redraw(self, line: Line) -> None:
        """Draw one message anew, where it is."""
        drawn = self._drawn.get((line.account, line.id))
        if drawn is not None:
            self.painter.remove((line.account, line.id))
            self.painter.pictures_within(0)
            self.painter.draw((line.account, line.id), *drawn, is_room=self.feed.is_room)
            self.selection.draw(line)
            self._draw_rest_soon()

    # ---- what is where

    def drawn(self) -> list[tuple[int, Box, Line]]:
        """What is on the canvas: its y, its box, its line; from top to bottom."""
        return sorted(self._drawn.values(), key=lambda found: found[0])

    def at(self, y: int) -> tuple[int, Box, Line] | None:
        """The message at this height of the view."""
        return next((found for found in self._drawn.values() if found[0] <= y < found[0] + found[1].height), None)

    def place_at(self, x: int, y: int) -> Place | None:
        """The nearest place in a text."""
        found = self.at(y)
        return None if found is None else self.painter.place_at(*found, x, y)

    # ---- the keyboard

    def _choose(self, step: int) -> str:
        """Choose the next message with the keyboard, and bring it into view."""
        lines = self.feed.lines
        if not lines:
            return "break"
        now = self.feed.index(self.current) if self.current else None
        index = len(lines) - 1 if now is None else max(0, min(len(lines) - 1, now + step))
        before, self.current = self.current, lines[index].id
        self._bring_into_view(index)
        for id in (before, self.current):
            self._redraw_id(id)
        return "break"

    def _choose_none(self) -> None:
        before, self.current = self.current, ""
        self._redraw_id(before)

    def _redraw_id(self, id: str) -> None:
        for _, _box, line in list(self._drawn.values()):
            if line.id == id:
                self.redraw(line)

    def _bring_into_view(self, index: int) -> None:
        if index <= self._top:
            self._top, self._offset, self.follow = index, 0, False
            self._draw()
        for _ in range(len(self.feed.lines)):
            drawn = self._drawn.get((self.feed.lines[index].account, self.feed.lines[index].id))
            if drawn is not None and drawn[0] + drawn[1].height <= self._size[1]:
                return
            if not self.scroll_by(WHEEL):
                return

    def chosen(self) -> Line | None:
        """The message chosen with the keyboard."""
        index = self.feed.index(self.current) if self.current else None
        return None if index is None else self.feed.lines[index]

    def destroy(self) -> None:
        for waiting in filter(None, (self._frame, self._rest)):
            with contextlib.suppress(tk.TclError):
                self.after_cancel(waiting)
        super().destroy()
