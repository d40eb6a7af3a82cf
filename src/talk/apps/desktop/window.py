"""The window: the one place that wires list, conversation, panels and pages to the chats behind them."""

from __future__ import annotations

import logging
import tkinter as tk
import webbrowser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import customtkinter as ctk

from talk.apps import hosting
from talk.apps.desktop import fonts, pages, pictures, words
from talk.apps.desktop.actions import Actions
from talk.apps.desktop.chat_pane import ChatPane
from talk.apps.desktop.chat_pane import Listener as PaneListener
from talk.apps.desktop.chats import Changes, Chat, Part, State
from talk.apps.desktop.floating import Menu, Toast
from talk.apps.desktop.heartbeat import Heartbeat
from talk.apps.desktop.joining import Joining
from talk.apps.desktop.look import HEADER, SIDEBAR, SIDEBAR_HIDES_UNDER, Look, both
from talk.apps.desktop.messages import MessageList
from talk.apps.desktop.network import Network
from talk.apps.desktop.notifications import Notifications
from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.panel import Panel
from talk.apps.desktop.passphrases import Passphrases
from talk.apps.desktop.preferences import Preferences, screen_scale, use_own_scaling
from talk.apps.desktop.rail import Rail
from talk.apps.desktop.rows import rows_of
from talk.apps.desktop.said import said
from talk.apps.desktop.settings import Settings, save
from talk.apps.desktop.sidebar import RowList
from talk.apps.desktop.talking import Talking
from talk.apps.desktop.theme import system_is_dark
from talk.apps.desktop.widgets import Button, Field, focused
from talk.apps.desktop.words import _
from talk.apps.join import forget as remove_profile
from talk.client import Client, ClientEvent, Line, Ready
from talk.local.folders import server_folder
from talk.protocol.link import parse_link

log = logging.getLogger(__name__)

TITLE = "TAlk"
COMMAND_KEYS = 0x4 | 0x8  # Control and Alt (Command on macOS), as bits of an event's state
LIST_MS = 100  # the list is drawn anew at most this often


class Window:
    """Everything on the screen. `run` shows it until it is closed."""

    def __init__(self, folder: Path, settings: Settings, profiles: list[Path]) -> None:
        self.folder, self.settings = folder, settings
        self.network = Network(lambda: self.look.px(self.look.text_size))
        self.notifications = Notifications(self.network)
        self.passphrases = Passphrases(self.network, lambda: self.overlay, lambda: self.joining.go_on())
        self.chats: list[Chat] = []
        self.chat: Chat | None = None
        self.is_narrow = False
        self._list_later = ""
        self._closing = False
        words.use_language(settings.language or words.system_language())
        fonts.give_to_tk()
        use_own_scaling()
        self.root: Any = ctk.CTk(className="TAlk")
        self.root.withdraw()
        self.heartbeat = Heartbeat(self.root, self.network)
        # It looks 33 times a second for another mode of the system, which it is told not to follow.
        ctk.AppearanceModeTracker.update_loop_interval = 60_000
        # CustomTkinter gives the focus to whatever is clicked; here it stays with the composer.
        self.root.unbind_all("<Button-1>")
        if not settings.theme:
            settings.theme = "dark" if system_is_dark() else "light"
        scale = settings.scale or screen_scale(self.root)
        self.look = Look(dark=settings.theme == "dark", scale=scale, text_size=settings.text_size)
        self.preferences = Preferences(self)
        self.preferences.give_look_to_ctk()
        self.root.title(TITLE)
        self.root.iconphoto(True, tk.PhotoImage(file=str(pictures.LOGO)))
        self.root.configure(fg_color=both("back"))
        self.root.protocol("WM_DELETE_WINDOW", self.ask_close)
        self.preferences.place_window()
        self._build()
        self.network.start()
        if settings.hosting:
            self._host_again()
        for profile in profiles:
            self.open_profile(profile)
        if not profiles:
            self.joining.start(first=True)

    # ---- building

    def _build(self) -> None:
        self.root.grid_rowconfigure(0, weight=1)
        self.root.grid_columnconfigure(1, weight=1)
        self._build_side()
        self.pane = ChatPane(self.root, self.look, self._pane_listener())
        self.pane.widget.grid(row=0, column=1, sticky="nsew")
        self.panel = Panel(self.root)
        self.overlay = Overlay(self.root, self._uncovered)
        self.menu = Menu(self.root, self.look)
        self.toast = Toast(self.root, self.pane.widget)
        self.actions = Actions(self)
        self.talking = Talking(
            self.network,
            self.pane,
            changed=self._chat_changed,
            opened=self.show_conversation,
            told=self.toast.show,
            command=self.actions.command,
            loaded=self._read_now,
        )
        self.joining = Joining(
            self.network,
            self.overlay,
            self.passphrases,
            open=self.open_profile,
            leave=self._drop,
            find=self._chat_of,
            hosted=self._hosting_now,
            told=self.toast.show,
        )
        self.root.bind("<Configure>", self._resized)
        self.root.bind("<FocusIn>", lambda _: self._read_now(), add="+")
        self.root.bind("<Control-k>", lambda _: self.search.focus())
        self.root.bind("<Key>", self._key_elsewhere)
        self.root.bind("<Escape>", lambda _: self._back())

    def _key_elsewhere(self, event: tk.Event[Any]) -> None:
        """What is typed while a list has the focus goes to the composer."""
        is_command = int(event.state) & COMMAND_KEYS or not event.char or not event.char.isprintable()
        if isinstance(event.widget, MessageList | RowList) and not is_command:
            self.pane.composer.insert(event.char)

    def _build_side(self) -> None:
        self.side = ctk.CTkFrame(self.root, width=SIDEBAR, corner_radius=0, fg_color=both("panel"))
        self.side.grid(row=0, column=0, sticky="ns")
        self.side.grid_rowconfigure(1, weight=1)
        self.side.grid_columnconfigure(1, weight=1)
        self.rail = Rail(self.side, self.look, self._switch_chat, lambda: self.joining.start(first=False))
        top = ctk.CTkFrame(self.side, height=HEADER, corner_radius=0, fg_color=both("panel"))
        top.grid(row=0, column=1, sticky="ew")
        top.grid_columnconfigure(1, weight=1)
        self.menu_button = Button(
            top, icon="menu", style="quiet", command=lambda: self.actions.main_menu(), tip=_("Menu")
        )
        self.menu_button.widget.grid(row=0, column=0, padx=(8, 2), pady=11)
        self.search = Field(
            top, _("Search"), height=38, icon_name="search", changed=lambda _: self._show_list(), entered=self._found
        )
        self.search.widget.grid(row=0, column=1, sticky="ew", padx=(0, 12))
        self.list = RowList(
            self.side,
            self.look,
            self._row_chosen,
            lambda key, x, y: self.actions.conversation_menu(key, x, y),
            width=SIDEBAR,
        )
        self.list.grid(row=1, column=1, sticky="nsew")

    def _pane_listener(self) -> PaneListener:
        return PaneListener(
            send=lambda text: self.talking.send(text),
            typed=lambda text: self.talking.typing(text),
            up_to_now_read=self._read_now,
            older=self._load_older,
            hole=lambda line: self.talking.fill_hole(line),
            menu=lambda line, x, y: self.actions.line_menu(line, x, y),
            link=webbrowser.open,
            retry=self._retry,
            person=self._person_clicked,
            people=lambda: self.actions.show_people(),
            details=lambda: self.actions.show_details(),
            emoji=lambda: self.actions.toggle_picker(),
            back=self._back,
            retry_now=self._retry_now,
        )

    def rebuild(self) -> None:
        """Build everything anew, in another language or size; the chats go on."""
        draft = self.pane.composer.get()
        key = self.pane.key
        self.look.forget_listeners()
        self.toast.hide()
        self.talking.stop()
        self.pane.stop()
        for child in self.root.winfo_children():
            child.destroy()
        self._build()
        self._show_rail()
        if self.chat is not None and key:
            self.show_conversation(key)
            self.pane.composer.set(draft)

    # ---- chats

    def open_profile(self, folder: Path, *, link: str = "", name: str = "") -> Chat:
        """Open a profile of this computer, or join with a new one."""
        ask = partial(self.passphrases.ask, folder)
        chat = Chat(Client(folder, link=link, name=name, ask_passphrase=ask))
        self.chats.append(chat)
        if self.chat is None or self.settings.chat == str(folder):
            self.chat = chat
        self.network.open(
            chat.client,
            lambda: self._opened(chat),
            lambda event: self._told(chat, event),
            lambda text, error: self._closed(chat, text),
        )
        return chat

    def _opened(self, chat: Chat) -> None:
        chat.state = State.CONNECTING
        chat.title = _title(chat.client)
        if chat.client.is_registered:
            self.passphrases.forget(chat.client.folder)
        self.talking.reload(chat)
        self._show_rail()

    def _closed(self, chat: Chat, text: str) -> None:
        if self._closing:
            return
        if chat.state != State.ENDED:
            chat.state, chat.words = State.CLOSED, text
        if not self.joining.settled(chat, chat.words):
            self.passphrases.forget(chat.client.folder)
            self._chat_changed(chat)

    def _told(self, chat: Chat, event: ClientEvent) -> None:
        reading = self._reading(chat)
        changes = chat.told(event, reading=reading)
        if isinstance(event, Ready):
            was_joined = self.joining.settled(chat, "")
            self._show_rail()
            if was_joined or self.chat in (None, chat):
                self._switch_chat(self.chats.index(chat))
            self.joining.came_in()
        self._apply(chat, changes)
        if changes.line is not None and not changes.line.mine and changes.key != reading:
            self._notify(chat, changes.line)

    def _drop(self, chat: Chat, *, forget: bool = False, then: Callable[[], object] = lambda: None) -> None:
        """This chat is not joined after all: let go of it, and forget it perhaps."""

        def closed() -> None:
            if forget:
                remove_profile(chat.client.folder)
            then()

        if chat in self.chats:
            self.chats.remove(chat)
        if self.chat is chat:
            self.chat = self.chats[0] if self.chats else None
        self.network.close(chat.client.folder, closed)
        self._show_rail()

    def forget_chat(self) -> None:
        """Remove the chat on the screen from this computer."""
        chat = self.chat
        if chat is None:
            return
        self.chats.remove(chat)
        self.chat = None

        def gone() -> None:
            remove_profile(chat.client.folder)
            self.rebuild()
            if self.chats:
                self._switch_chat(0)
            else:
                self.joining.start(first=True)

        self.network.close(chat.client.folder, gone)

    def _chat_of(self, server: str) -> Chat | None:
        """The chat of this server, where it is open already and works."""
        for chat in self.chats:
            if chat.client.folder.name == server and chat.state not in (State.ENDED, State.CLOSED):
                return chat
        return None

    def _reading(self, chat: Chat) -> str:
        """The conversation of this chat that a person is looking at, to its end."""
        is_seen = focused(self.root) is not None and not self.overlay.is_open
        return self.pane.key if chat is self.pane.chat and is_seen and self.pane.messages.follow else ""

    def _apply(self, chat: Chat, changes: Changes) -> None:
        if Part.RELOAD in changes.parts:
            self.talking.reload(chat)
        if changes.comparing is not None and chat is self.chat:
            self.actions.compared(changes.comparing)
        if changes.notice is not None:
            self.toast.show(said(changes.notice))
        if chat is not self.chat:
            self._show_rail()
            return
        if self.pane.chat is chat:
            if Part.FEED in changes.parts and changes.key == self.pane.key:
                self._feed_changed(changes.line)
            if changes.parts & {Part.STATUS, Part.PEOPLE}:
                self.pane.refresh()
                self.talking.check_name()
        if Part.PEOPLE in changes.parts:
            self.actions.people_changed()
        if changes.parts:
            self._show_list_soon()

    def _feed_changed(self, line: Line | None) -> None:
        pane = self.pane
        if line is not None and line.mine and line.mark == "sending":
            pane.messages.follow = True
        let_go = pane.messages.feed.let_go() if pane.messages.follow else 0
        if let_go:
            pane.messages.removed_older(let_go)
        pane.messages.changed()
        pane.show_empty()
        if line is not None and not line.mine and pane.messages.follow:
            self._read_now()

    def _chat_changed(self, chat: Chat) -> None:
        """What is known of the chat's conversations is new."""
        self._show_rail()
        if chat is not self.chat:
            return
        if self.pane.chat is not chat or self.pane.key not in chat.conversations:
            first = chat.shown or next((each.key for each in chat.in_order()), "")
            if first:
                self.show_conversation(first)
        self.pane.refresh()
        self._show_list_soon()

    # ---- the lists

    def _show_rail(self) -> None:
        self.rail.show([(chat.title, chat.unread) for chat in self.chats], self._number())
        unread = sum(chat.unread for chat in self.chats)
        self.root.title(f"({unread}) {TITLE}" if unread else TITLE)

    def _number(self) -> int:
        return self.chats.index(self.chat) if self.chat in self.chats and self.chat is not None else -1

    def _switch_chat(self, number: int) -> None:
        """Put another chat on the screen."""
        chat = self.chats[number]
        if chat is self.pane.chat:
            return
        self._keep_draft()
        self.chat = chat
        self.settings.chat = str(chat.client.folder)
        self.panel.close()
        self.search.set("")
        self._chat_changed(chat)
        self._show_list()

    def _show_list_soon(self) -> None:
        if not self._list_later:
            self._list_later = self.root.after(LIST_MS, self._show_list)

    def _show_list(self) -> None:
        self._list_later = ""
        if self.chat is not None:
            self.list.show(rows_of(self.chat, self.search.text), self.pane.key)
            self.pane.show_jump()
        self._show_rail()

    def _row_chosen(self, key: str) -> None:
        self.search.set("")
        self.show_conversation(key)

    def _found(self) -> None:
        """Enter in the search: the first that was found."""
        first = next((row.key for row in self.list.rows if row.key), "")
        if first:
            self._row_chosen(first)

    def show_conversation(self, key: str, name: str = "") -> None:
        """Put a conversation, or a new one with this account, on the screen."""
        chat = self.chat
        if chat is None:
            return
        if key not in chat.conversations:
            chat.begin_with(key, name or chat.client.here().get(key, ""))
        self._keep_draft()
        conversation, feed = chat.conversations[key], chat.feed(key)
        chat.shown = key
        feed.new_after = conversation.read if conversation.unread else 0
        if self.panel.kind.startswith("details"):
            self.panel.close()
        self.actions.close_picker()
        self.pane.show(chat, key)
        if not feed.loaded:
            self.talking.load(chat, key)
        self._show_side(not self.is_narrow)
        self._read_now()
        self._show_list()
        if not self.overlay.is_open:
            self.pane.composer.focus()

    def _keep_draft(self) -> None:
        chat = self.pane.chat
        if chat is not None and self.pane.key and chat in self.chats:
            self.talking.keep_draft(chat, self.pane.key, self.pane.composer.get())

    def _load_older(self) -> None:
        if self.pane.chat is not None:
            self.talking.load(self.pane.chat, self.pane.key)

    def _uncovered(self) -> None:
        """A page has gone, and the conversation can be seen again."""
        if focused(self.root) in (None, self.root):
            self.pane.composer.focus()
        self._read_now()

    def _read_now(self) -> None:
        chat = self.pane.chat
        if chat is not None and self._reading(chat):
            self.talking.read(chat, self.pane.key)

    # ---- what a person does

    def _person_clicked(self, line: Line) -> None:
        if self.chat is not None and line.account != self.chat.client.account:
            self.show_conversation(line.account, line.name)

    def _retry(self, line: Line) -> None:
        if self.chat is not None:
            self.talking.retry(self.chat, line)

    def _retry_now(self) -> None:
        if self.chat is not None:
            self.network.call(self.chat.client.retry_now)

    def copy(self, text: str) -> None:
        """Put a text into the clipboard."""
        self.root.clipboard_clear()
        self.root.clipboard_append(text)

    def _notify(self, chat: Chat, line: Line) -> None:
        conversation = chat.conversations.get(line.conversation)
        if conversation is None or conversation.muted or not self.notifications.is_due(line.conversation):
            return
        if self.settings.sound:
            self.root.bell()
        if self.settings.notify:
            text = line.text if conversation.is_room or self.settings.notify_private_text else ""
            title = f"{line.name} · {chat.title_of(line.conversation)}" if conversation.is_room else line.name
            self.notifications.show(title, text, lambda: self._notification_clicked(chat, line))

    def _notification_clicked(self, chat: Chat, line: Line) -> None:
        if chat in self.chats:
            self.come_to_front()
            self._switch_chat(self.chats.index(chat))
            self.show_conversation(line.conversation)

    # ---- hosting

    def _hosting_now(self) -> None:
        self.settings.hosting = True
        save(self.folder, self.settings)

    def _host_again(self) -> None:
        """The server of this computer runs again when it does not run any more."""
        self.network.ask(
            lambda: hosting.start(server_folder(), title="", open=False),
            None,
            lambda text, _: self.toast.show(text, stay=True),
        )

    # ---- the window itself

    def _resized(self, event: tk.Event[Any]) -> None:
        if event.widget is not self.root:
            return
        narrow = event.width < self.look.px(SIDEBAR_HIDES_UNDER)
        if narrow != self.is_narrow:
            self.is_narrow = narrow
            self.panel.close()
            self._show_side(not narrow or not self.pane.key)

    def _show_side(self, show: bool) -> None:
        """In a narrow window either the list or the conversation is on the screen."""
        # Not grid_remove: CustomTkinter brings back what was removed that way whenever the scaling changes.
        if show:
            self.side.grid(row=0, column=0, sticky="ns")
        else:
            self.side.grid_forget()
        if self.is_narrow:
            self.pane.back_button.widget.grid(row=0, column=0, padx=(8, 0))
        else:
            self.pane.back_button.widget.grid_forget()

    def _back(self) -> None:
        """Escape: close what is open, or go back to the list."""
        if self.overlay.is_open:
            self.overlay.escape()
        elif self.actions.picker is not None:
            self.actions.close_picker()
        elif self.panel.kind:
            self.panel.close()
            self.pane.composer.focus()
        elif self.is_narrow:
            self._show_side(True)
            self.list.focus_set()

    def come_to_front(self) -> None:
        """Show the window above all others."""
        self.root.deiconify()
        self.root.lift()
        self.root.focus_force()

    def out_of_reach(self, why: str, _error: Exception) -> None:
        """A second start of the program cannot raise this window."""
        log.warning("%s", why)
        words = _("Start TAlk only once: a second start cannot find this window. Everything else works as always.")
        self.toast.show(words, stay=True)

    def run(self) -> None:
        """Show the window until it is closed."""
        self.root.deiconify()
        self.heartbeat.start()
        self.root.mainloop()

    def ask_close(self) -> None:
        """Close the window; who hosts is asked whether friends may go on."""
        if not self.settings.hosting:
            self.close()
            return
        pages.ask_host_close(self.overlay, go_on=self.close, stop=self._stop_and_close)

    def _stop_and_close(self) -> None:
        self.network.ask(lambda: hosting.stop(server_folder()), lambda _: self.close(), lambda *_: self.close())

    def close(self) -> None:
        """Close the window. What waits to be sent is on disk, and sent the next time."""
        if self._closing:
            return
        self._keep_draft()
        self._closing = True
        self.heartbeat.stop()
        self.preferences.remember_place()
        self.root.withdraw()
        self.root.update_idletasks()
        self.passphrases.stop()
        self.network.stop()
        self.root.destroy()
        pictures.forget_all()


def _title(client: Client) -> str:
    """What to call a chat: its server has no name, so where it is."""
    address = parse_link(client.link).addresses[0]
    return _("This computer") if address.is_loopback else address.host
