"""The window as a program, and a way to look into it: an expression a line comes in, its value goes out as JSON.

Nothing is done through here that a person does; tests only look, and then press keys and click.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
import tkinter as tk
from typing import Any

from talk.apps.desktop import fonts, start

fonts.load_toolkit()

from talk.apps.desktop import joining, window  # noqa: E402
from talk.apps.desktop.window import Window  # noqa: E402

_run = Window.run


def visible(root: Any) -> list[dict[str, Any]]:
    """Every widget on the screen that says something: its words, the middle of it, its size, whether it is on."""
    found: list[dict[str, Any]] = []
    waiting = [root]
    while waiting:
        widget = waiting.pop()
        waiting.extend(reversed(widget.winfo_children()))
        words = getattr(widget, "words", "")
        if words and widget.winfo_viewable():
            x, y = widget.winfo_rootx(), widget.winfo_rooty()
            wide, tall = widget.winfo_width(), widget.winfo_height()
            top = widget.winfo_containing(x + wide // 2, y + tall // 2)
            if top is not None and str(top).startswith(str(widget)):
                state = widget.cget("state") if "Button" in type(widget).__name__ else "normal"
                found.append({"words": words, "x": x + wide // 2, "y": y + tall // 2, "on": state != "disabled"})
    return found


def rows(canvas: Any) -> list[dict[str, Any]]:
    """The rows of a list that are in view."""
    x = canvas.winfo_rootx() + canvas.winfo_width() // 2
    return [
        {
            "key": row.key,
            "name": row.name,
            "last": row.last,
            "unread": row.unread,
            "here": row.here,
            "x": x,
            "y": canvas.winfo_rooty() + y + canvas._height(row) // 2,
        }
        for y, row in canvas._places()
    ]


def lines(messages: Any) -> list[dict[str, Any]]:
    """The messages in view."""
    x, y = messages.winfo_rootx(), messages.winfo_rooty()
    return [
        {
            "id": line.id,
            "name": line.name,
            "text": line.text,
            "mark": line.mark,
            "mine": line.mine,
            "pills": [text for _kind, text, _y in box.pills],
            "x": x + box.x + box.width // 2,
            "y": y + top + box.y + box.bubble // 2,
            "left": x + box.x,
            "below": y + top + box.height,
        }
        for top, box, line in messages.drawn()
    ]


def cut_off(card: Any) -> list[str]:
    """What is on a page and narrower than its words need, or sticks out of the page."""
    found = []
    for widget in _all(card):
        left, right = sides(widget)
        around = [sides(each) for each in (widget.master, card, widget.winfo_toplevel())]
        fits = right - left >= widget.winfo_reqwidth() and all(
            left >= first and right <= last for first, last in around
        )
        if getattr(widget, "words", "") and not fits:
            found.append(widget.words)
    return found


def sides(widget: Any) -> tuple[int, int]:
    left = widget.winfo_rootx()
    return left, left + widget.winfo_width()


def reachable(card: Any) -> list[str]:
    """The names of all widgets on a page that take the focus."""
    return [str(each) for each in _all(card) if each.winfo_class() in ("Canvas", "Entry") and takes_focus(each)]


def takes_focus(widget: Any) -> bool:
    return widget.winfo_class() == "Entry" or str(widget.cget("takefocus")) == "1"


def focus(root: Any) -> dict[str, Any]:
    """What the keyboard is on, and whether all of it can be seen."""
    widget = root.focus_get()
    x, y, wide, tall = widget.winfo_rootx(), widget.winfo_rooty(), widget.winfo_width(), widget.winfo_height()
    corners = [widget.winfo_containing(x + dx, y + dy) for dx in (1, wide - 2) for dy in (1, tall - 2)]
    return {"name": str(widget), "seen": all(str(corner) == str(widget) for corner in corners)}


def _all(widget: Any) -> list[Any]:
    return [widget, *(each for child in widget.winfo_children() for each in _all(child))]


def _answer_lines(shown: Window) -> None:
    tools = {"window": shown, "visible": visible, "rows": rows, "lines": lines, "module": window}
    tools |= {"cut_off": cut_off, "reachable": reachable, "focus": focus}

    def answer(expression: str) -> None:
        try:
            shown.root.update_idletasks()
            value = eval(expression, tools)
            print(json.dumps({"value": value}), flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)

    for line in sys.stdin:
        shown.network.hand_over(lambda line=line: answer(line))  # type: ignore[misc]


def orphans(root: Any) -> list[str]:
    """Timers without their callback. Tcl knows callbacks by an address and a name, and calls whoever has both next."""
    scripts = [str(root.tk.splitlist(root.tk.call("after", "info", timer))[0]) for timer in _timers(root)]
    names = [script.split()[0] for script in scripts if "<lambda>" in script]  # others meet their like only
    return [name for name in names if not root.tk.call("info", "commands", name)]


def _timers(root: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = root.tk.splitlist(root.tk.call("after", "info"))
    return found


def _destroy(widget: Any) -> None:
    root = widget._root()
    _destroy_widget(widget)
    if not _closing and (left := orphans(root)):
        print(f"Exception: {type(widget).__name__} leaves timers behind: {left}", file=sys.stderr, flush=True)


def _destroy_all(root: Any) -> None:
    _closing.append(True)  # with everything else, timers end
    _destroy_root(root)


_closing: list[bool] = []
_destroy_widget, _destroy_root = tk.BaseWidget.destroy, tk.Tk.destroy
tk.BaseWidget.destroy = _destroy  # type: ignore[assignment,method-assign]
tk.Tk.destroy = _destroy_all  # type: ignore[assignment,method-assign]


def run(shown: Window) -> None:
    threading.Thread(target=_answer_lines, args=(shown,), daemon=True).start()
    _run(shown)


if __name__ == "__main__":
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # where it is, when it does not answer
    # Tests look for chats on this computer alone, whatever networks it is in.
    joining.home_interfaces = lambda: os.environ.get("NEARBY_ON", "").split()
    Window.run = run  # type: ignore[method-assign,assignment]
    sys.exit(start.desktop())
