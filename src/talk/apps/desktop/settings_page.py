"""The settings, on the overlay. Each change shows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.settings import SCALES, TEXT_SIZES, Settings
from talk.apps.desktop.widgets import Button, Choice, Label, Switch, rule
from talk.apps.desktop.words import LANGUAGES, _

WIDTH = 520


@dataclass(frozen=True, slots=True)
class Listener:
    """What was changed, or asked for. `name` and `forget` are about the chat on the screen."""

    theme: Callable[[str], object]
    scale: Callable[[float], object]
    text_size: Callable[[int], object]
    language: Callable[[str], object]
    changed: Callable[[], object]
    rename: Callable[[], object]
    forget: Callable[[], object]


def settings_page(
    overlay: Overlay, settings: Settings, listener: Listener, *, dark: bool, language: str, me: str
) -> None:
    """Open the page. `me` is one's name in the chat on the screen, "" for none."""
    body = overlay.open(_("Settings"), width=WIDTH)
    page = _Page(body)
    page.choice(_("Theme"), [("light", _("Light")), ("dark", _("Dark"))], "dark" if dark else "light", listener.theme)
    page.choice(_("Language"), list(LANGUAGES.items()), language, listener.language)
    scales = [(str(scale), _("Screen's") if not scale else f"{round(scale * 100)} %") for scale in SCALES]
    page.choice(_("Size of everything"), scales, str(settings.scale), lambda value: listener.scale(float(value)))
    sizes = [(str(size), str(size)) for size in TEXT_SIZES]
    page.choice(_("Size of messages"), sizes, str(settings.text_size), lambda value: listener.text_size(int(value)))
    page.line()

    def switch(words: str, field: str) -> None:
        def change(on: bool) -> None:
            setattr(settings, field, on)
            listener.changed()

        page.add(Switch(body, words, getattr(settings, field), change).widget)

    switch(_("Notify me of new messages"), "notify")
    switch(_("Show private texts in notifications"), "notify_private_text")
    switch(_("Play a sound"), "sound")
    if me:
        page.line()
        page.add(Label(body, _("You are {name} in this chat.").format(name=me), size=13, colour="soft").widget)
        page.add(Button(body, _("Take another name…"), listener.rename, height=40).widget)
        page.add(
            Button(body, _("Remove this chat from this computer…"), listener.forget, style="danger", height=40).widget
        )


class _Page:
    def __init__(self, body: Any) -> None:
        self._body, self._row = body, 0

    def add(self, widget: Any) -> None:
        widget.grid(row=self._row, column=0, sticky="ew", pady=5)
        self._row += 1

    def line(self) -> None:
        self.add(rule(self._body))

    def choice(self, words: str, options: list[tuple[str, str]], chosen: str, changed: Callable[[str], object]) -> None:
        self.add(Label(self._body, words, size=12, colour="soft").widget)
        choice = Choice(self._body, options, chosen, changed)
        choice.widget.grid(row=self._row, column=0, sticky="w", pady=(0, 6))
        self._row += 1
