"""One conversation on the screen: header, banner, messages, composer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import customtkinter as ctk

from talk.apps.desktop import typed
from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.composer import Composer
from talk.apps.desktop.composer import Listener as ComposerListener
from talk.apps.desktop.look import DARK, HEADER, LIGHT, Look, both, person_colour
from talk.apps.desktop.messages import Listener as MessagesListener
from talk.apps.desktop.messages import MessageList
from talk.apps.desktop.pictures import avatar_image
from talk.apps.desktop.widgets import SHARP, Button, Label, icon
from talk.apps.desktop.words import _, ngettext
from talk.client import Line

AVATAR = 38
RESTORED_MS = 2_500  # that "Connected again" is shown
TICK_MS = 500


@dataclass(frozen=True, slots=True)
class Listener:
    """What the pane tells the window."""

    send: Callable[[str], object]
    typed: Callable[[str], object]
    up_to_now_read: Callable[[], object]
    older: Callable[[], object]
    hole: Callable[[Line], object]
    menu: Callable[[Line, int, int], object]
    link: Callable[[str], object]
    retry: Callable[[Line], object]
    person: Callable[[Line], object]
    people: Callable[[], object]
    details: Callable[[], object]
    emoji: Callable[[], object]
    back: Callable[[], object]
    retry_now: Callable[[], object]


class ChatPane:
    """`show` puts a conversation on the screen; the rest says what of it has changed."""

    def __init__(self, master: Any, look: Look, listener: Listener) -> None:
        self._look, self._listener = look, listener
        self.chat: Chat | None = None
        self.key = ""
        self.problems: dict[str, str] = {}
        self._header: tuple[object, ...] = ()
        self._was_offline = False
        self._restored_until = 0.0
        self._typed_later = ""
        # However long a word in it is, it takes the room that is left and no more.
        self.widget = ctk.CTkFrame(master, corner_radius=0, fg_color=both("back"), width=10, height=10)
        self.widget.grid_propagate(False)
        self.widget.grid_columnconfigure(0, weight=1)
        self.widget.grid_rowconfigure(2, weight=1)
        self._build_header()
        self._build_banner()
        self._build_messages()
        self.composer = Composer(
            self.widget,
            look,
            ComposerListener(
                send=listener.send,
                typed=self._typed,
                suggest=self._suggest,
                up=self._choose_last,
                escape=listener.back,
                emoji=listener.emoji,
            ),
        )
        self.composer.widget.grid(row=3, column=0, sticky="ew", padx=14, pady=(2, 14))
        self._tick()

    # ---- building

    def _build_header(self) -> None:
        header = ctk.CTkFrame(self.widget, height=HEADER, corner_radius=0, fg_color=both("panel"))
        header.grid(row=0, column=0, sticky="ew")
        header.grid_propagate(False)
        header.grid_columnconfigure(2, weight=1)
        header.grid_rowconfigure(0, weight=1)
        self.back_button = Button(
            header, icon="back", style="quiet", command=self._listener.back, tip=_("Back to the list")
        )
        self._avatar = ctk.CTkLabel(header, text="", width=AVATAR)
        self._avatar.grid(row=0, column=1, padx=(16, 12))
        words = ctk.CTkFrame(header, fg_color="transparent")
        words.grid(row=0, column=2, sticky="w")
        line = ctk.CTkFrame(words, fg_color="transparent")
        line.pack(anchor="w")
        self._lock = ctk.CTkLabel(line, text="", width=0)
        self._lock.pack(side="left")
        self._title = Label(line, size=16, bold=True)
        self._title.widget.pack(side="left")
        self._verified = ctk.CTkLabel(line, text="", width=0)
        self._verified.pack(side="left", padx=(6, 0))
        self._subtitle = Label(words, size=12, colour="soft")
        self._subtitle.widget.pack(anchor="w")
        self.people_button = Button(
            header, icon="people", style="quiet", command=self._listener.people, tip=_("Who is here")
        )
        self.people_button.widget.grid(row=0, column=3)
        self.details_button = Button(
            header, icon="info", style="quiet", command=self._listener.details, tip=_("Details")
        )
        self.details_button.widget.grid(row=0, column=4, padx=(2, 12))

    def _build_banner(self) -> None:
        self._banner = ctk.CTkFrame(self.widget, corner_radius=0, fg_color=both("warn"))
        self._banner_words = Label(self._banner, size=13, colour="warn_text", wrap=640, anchor="center")
        self._banner_words.widget.pack(side="left", expand=True, padx=14, pady=5)
        self._banner.bind(
            "<Configure>", lambda event: self._banner_words.wrap(round(event.width / self._look.scale) - 140)
        )
        self._banner_progress = ctk.CTkProgressBar(self._banner, width=160, height=6, progress_color=both("accent"))
        self._banner_button = Button(self._banner, _("Try now"), self._listener.retry_now, height=28, size=12)

    def _build_messages(self) -> None:
        listener = self._listener
        self.messages = MessageList(
            self.widget,
            self._look,
            MessagesListener(
                older=listener.older,
                hole=listener.hole,
                viewed=self._viewed,
                menu=listener.menu,
                link=listener.link,
                retry=listener.retry,
                person=listener.person,
            ),
        )
        self.messages.grid(row=2, column=0, sticky="nsew")
        self.jump = Button(
            self.messages, "", self._jump, icon="down", style="plain", height=42, tip=_("To the newest message")
        )
        self.jump.widget.configure(bg_color=both("back"))
        self._empty = ctk.CTkFrame(self.messages, corner_radius=20, fg_color=both("pill"))
        self._empty_icon = ctk.CTkLabel(self._empty, text="", width=40)
        self._empty_icon.pack(pady=(18, 4))
        self._empty_words = Label(self._empty, size=14, colour="soft", wrap=320, anchor="center")
        self._empty_words.widget.pack(padx=26, pady=(0, 18))

    # ---- what is shown

    def show(self, chat: Chat, key: str) -> None:
        """Put this conversation on the screen, with its draft."""
        self.chat, self.key = chat, key
        self.problems.clear()
        self.messages.show(chat.feed(key))
        conversation = chat.conversations.get(key)
        self.composer.set(conversation.draft if conversation else "")
        self.refresh()

    def refresh(self) -> None:
        """Draw header, banner and audience anew."""
        self.show_header()
        self.show_banner()
        self.show_audience()
        self.show_empty()

    def show_header(self) -> None:
        chat = self.chat
        conversation = chat.conversations.get(self.key) if chat else None
        if chat is None or conversation is None:
            return
        title = chat.title_of(self.key)
        self._subtitle.set(*self._about(chat, conversation.is_room))
        header = (self.key, title, conversation.is_room, conversation.verified)
        if header == self._header:  # that is so after each message; its pictures take 4 ms
            return
        self._header = header
        self._title.set(title)
        size = AVATAR * SHARP
        if conversation.is_room:
            self._avatar.configure(image=icon("people", 24, "accent"))
            self._lock.configure(image="", text="")
            self._verified.configure(image="", text="")
        else:
            light, dark = (
                avatar_image(title[:1].upper(), person_colour(palette, self.key), size) for palette in (LIGHT, DARK)
            )
            self._avatar.configure(image=ctk.CTkImage(light, dark, size=(AVATAR, AVATAR)))
            self._lock.configure(image=icon("lock", 16, "private"), text=" ")
            shown = icon("verified", 17, "private") if conversation.verified else ""
            self._verified.configure(image=shown, text="")

    def _about(self, chat: Chat, is_room: bool) -> tuple[str, str]:
        here = chat.here()
        if chat.state != State.ONLINE:
            return _("You are offline, so nobody can be seen."), "soft"
        if is_room:
            count = len(here)
            return ngettext("{} person here", "{} people here", count).format(count), "soft"
        if self.key in here:
            return _("here now, private"), "private"
        return _("away; they get it when they are back"), "soft"

    def show_empty(self) -> None:
        """Say what to do where there is nothing to read yet."""
        chat = self.chat
        feed = chat.feeds.get(self.key) if chat else None
        if chat is None or feed is None or feed.lines or not feed.loaded:
            self._empty.place_forget()
            return
        if feed.is_room:
            self._empty_icon.configure(image=icon("people", 34, "accent"))
            self._empty_words.set(_("Nothing was said here yet. Say hello!"))
        else:
            self._empty_icon.configure(image=icon("lock", 34, "private"))
            words = _("What you write here only {name} can read. Not even the server can.")
            self._empty_words.set(words.format(name=chat.title_of(self.key)))
        self._empty.place(relx=0.5, rely=0.5, anchor="center")

    # ---- the banner

    def show_banner(self) -> None:
        chat = self.chat
        if chat is None:
            return
        words, colour, ink = self._state_words(chat)
        if not words:
            self._banner.grid_forget()
            return
        self._banner.configure(fg_color=both(colour))
        self._banner_words.widget.configure(fg_color=both(colour))
        self._banner_words.set(words, ink)
        if chat.state == State.ONLINE and chat.catching:
            self._banner_progress.set(chat.catching[0] / max(1, chat.catching[1]))
            self._banner_progress.pack(side="right", padx=14)
        else:
            self._banner_progress.pack_forget()
        if chat.state == State.OFFLINE:
            self._banner_button.widget.pack(side="right", padx=10, pady=4)
        else:
            self._banner_button.widget.pack_forget()
        self._banner.grid(row=1, column=0, sticky="ew")

    def _state_words(self, chat: Chat) -> tuple[str, str, str]:
        match chat.state:
            case State.OPENING:
                return _("Opening…"), "raised", "soft"
            case State.CONNECTING:
                return self._catching_words(chat) or _("Connecting…"), "raised", "soft"
            case State.OFFLINE:
                self._was_offline = True
                left = max(0, round(chat.retry_at - time.time()))
                words = (
                    _("No connection. Trying again in {} s. What you write is sent then.").format(left)
                    if left
                    else _("No connection. Trying…")
                )
                return words, "warn", "warn_text"
            case State.ENDED | State.CLOSED:
                return chat.words, "bad", "on_accent"
            case State.ONLINE:
                if self._was_offline:
                    self._was_offline = False
                    self._restored_until = time.monotonic() + RESTORED_MS / 1000
                if time.monotonic() < self._restored_until:
                    return _("Connected again"), "good", "on_private"
                return self._catching_words(chat), "raised", "soft"

    def _catching_words(self, chat: Chat) -> str:
        if chat.catching is None:
            return ""
        return _("Catching up: {done} of {total}").format(done=chat.catching[0], total=chat.catching[1])

    def _tick(self) -> None:
        """The countdown, and the end of what is shown for a moment."""
        if self.chat is not None and (self.chat.state == State.OFFLINE or self._restored_until):
            self.show_banner()
            if self._restored_until and time.monotonic() >= self._restored_until:
                self._restored_until = 0.0
        self._later = self.widget.after(TICK_MS, self._tick)

    def stop(self) -> None:
        """It is about to be taken away."""
        self.widget.after_cancel(self._later)

    # ---- writing

    def _typed(self, text: str) -> None:
        self.show_audience()
        self._listener.typed(text)

    def show_audience(self) -> None:
        if self.chat is not None:
            self.composer.show_audience(typed.audience(self.composer.get(), self.chat, self.key, self.problems))

    def _suggest(self, text: str) -> list[typed.Suggestion]:
        return [] if self.chat is None else typed.suggestions(text, self.chat, self.key)

    def refuse(self, reason: str) -> None:
        """Say at the composer why a text was not sent. It goes when the text changes."""
        private = self.composer.audience.private
        self.composer.show_audience(typed.Audience("", private=private, problem=reason))

    def _choose_last(self) -> None:
        self.messages.focus_set()
        self.messages._choose(0)

    # ---- reading

    def _viewed(self, at_bottom: bool) -> None:
        if at_bottom:
            self.jump.widget.place_forget()
            self._listener.up_to_now_read()
        else:
            self.show_jump()

    def show_jump(self) -> None:
        """The button that leads to the newest message, with how many are unread."""
        conversation = self.chat.conversations.get(self.key) if self.chat else None
        if self.messages.follow:
            return
        unread = conversation.unread if conversation else 0
        self.jump.set(str(unread) if unread else "")
        self.jump.widget.place(relx=1.0, rely=1.0, x=-20, y=-14, anchor="se")

    def _jump(self) -> None:
        self.messages.to_bottom()
        self.composer.focus()
