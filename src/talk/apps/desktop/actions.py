"""What a person can do besides writing: menus, typed commands, panels and pages."""

from __future__ import annotations

from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING, Literal

from talk.apps.chat import NEED_A_NAME
from talk.apps.desktop import pages
from talk.apps.desktop.chats import Chat
from talk.apps.desktop.details_panel import DetailsPanel
from talk.apps.desktop.details_panel import Listener as DetailsListener
from talk.apps.desktop.emoji_picker import EmojiPicker
from talk.apps.desktop.people_panel import PeoplePanel
from talk.apps.desktop.settings import save
from talk.apps.desktop.words import _
from talk.client import Comparing, Details, Line, ServerRecord
from talk.client.lines import LOBBY

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from talk.apps.desktop.window import Window

PICKER_RIGHT, PICKER_UP = 16, 110


class Actions:
    """Acts on the chat and the conversation that are on the screen."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.people: PeoplePanel | None = None
        self.details: DetailsPanel | None = None
        self.picker: EmojiPicker | None = None
        self.compare = pages.ComparePage(
            window.overlay,
            agree=lambda key: self._ask(lambda chat: chat.client.agree(key)),
            confirm=lambda key: self._ask(lambda chat: chat.client.confirm(key)),
            stop=lambda key, differ: self._ask(lambda chat: chat.client.stop_comparing(key, mismatch=differ)),
        )

    def _ask(
        self, work: Callable[[Chat], Coroutine[Any, Any, Any]], then: Callable[[Any], object] | None = None
    ) -> None:
        """Carry out something on the client, and say what went wrong."""
        chat = self._window.chat
        if chat is not None:
            self._window.network.ask(lambda: work(chat), then, lambda words, _: self._window.toast.show(words))

    # ---- typed commands

    def command(self, word: str, argument: str) -> None:  # noqa: C901 - one case for each command
        """A command that was typed with ?"""
        window, name = self._window, argument.removeprefix("@")
        if word in NEED_A_NAME and not name:
            window.toast.show(_("Say whom you mean: ?{word} NAME. Nothing was done.").format(word=word))
            return
        match word:
            case "list":
                self.show_people()
            case "with":
                self._with(name)
            case "history" | "more":  # what was before comes by itself there
                window.pane.messages.to_top()
            case "name":
                self.rename(name) if name else self.ask_name()
            case "block" | "unblock":
                self._block(name, word == "block")
            case "accept":
                self._ask(lambda chat: chat.client.accept(name), lambda _: self._accepted(name))
            case "compare" | "same" | "differ":
                self._compare_by_name(word, name)
            case "leave" | "quit":
                window.close()
            case "forget":
                self.ask_forget()
            case "help":
                pages.help_page(window.overlay)
            case _:
                words = _("There is no ?{word}, so nothing was done. ?help lists what there is.")
                window.toast.show(words.format(word=word))

    def _with(self, name: str) -> None:
        window = self._window
        if name.casefold() in ("", LOBBY):
            chat = window.chat
            room = next((each.key for each in chat.in_order() if each.is_room), "") if chat else ""
            if room:
                window.show_conversation(room)
            return
        self._ask(
            lambda chat: chat.client.person_account(name), lambda account: window.show_conversation(account, name)
        )

    def _compare_by_name(self, word: str, name: str) -> None:
        if word == "compare":
            self._ask(lambda chat: chat.client.person_account(name), self.start_comparing)
        elif self.compare.step == "emoji":
            compare = self.compare
            if word == "same":
                self._ask(lambda chat: chat.client.confirm(compare.id))
            else:
                self._ask(lambda chat: chat.client.stop_comparing(compare.id, mismatch=True))

    def _block(self, name: str, block: bool) -> None:
        def done(_nothing: object) -> None:
            words = _("Nothing of {name} is shown any more.") if block else _("{name} is shown again.")
            self._window.toast.show(words.format(name=name))
            self._window.talking.reload_feeds()

        self._ask(lambda chat: chat.client.block(name) if block else chat.client.unblock(name), done)

    # ---- panels

    def show_people(self) -> None:
        """Who is here; once more closes it."""
        window = self._window
        if window.chat is None or window.panel.kind == "people":
            window.panel.close()
            return
        body = window.panel.open("people", _("Who is here"), narrow=window.is_narrow)
        self.people = PeoplePanel(body, window.look, window.chat, self._person_chosen)
        self.people.search.focus()

    def people_changed(self) -> None:
        """Somebody came, left or took another name."""
        kind, chat = self._window.panel.kind, self._window.chat
        if kind == "people" and self.people is not None:
            self.people.refresh()
        elif kind.startswith("details") and self.details is not None and chat is not None:
            is_here = self.details.details.account in chat.here()
            if is_here != self.details.here:
                self.refresh_details()

    def _person_chosen(self, account: str) -> None:
        window = self._window
        if window.chat is not None and account != window.chat.client.account:
            if window.is_narrow:
                window.panel.close()
            window.show_conversation(account)

    def show_details(self) -> None:
        """Of the conversation on the screen: whose keys, or for the lobby who is here."""
        window, key = self._window, self._window.pane.key
        chat = window.chat
        conversation = chat.conversations.get(key) if chat else None
        if chat is None or conversation is None or conversation.is_room:
            self.show_people()
            return
        if window.panel.kind == f"details {key}":
            window.panel.close()
            return
        self._ask(lambda chat: chat.client.details(key), self._open_details)

    def _details_of(self, key: str) -> None:
        self._window.show_conversation(key)
        self.show_details()

    def _open_details(self, details: Details) -> None:
        window, chat = self._window, self._window.chat
        if chat is None or window.pane.key != details.account:
            return
        body = window.panel.open(f"details {details.account}", _("Details"), narrow=window.is_narrow, scroll=True)
        conversation = chat.conversations.get(details.account)
        self.details = DetailsPanel(
            body,
            details,
            DetailsListener(
                compare=self.start_comparing,
                accept=self._accept,
                block=lambda details, block: self._block(details.name, block),
                mute=lambda key, muted: window.talking.mute(chat, key, muted),
                export=self.export,
            ),
            here=details.account in chat.here(),
            muted=bool(conversation and conversation.muted),
        )

    def refresh_details(self) -> None:
        """What is known of the person has changed."""
        key = self._window.pane.key
        if self._window.panel.kind == f"details {key}":
            self._ask(lambda chat: chat.client.details(key), self._open_details)

    def _accept(self, details: Details) -> None:
        name = details.name
        pages.ask(
            self._window.overlay,
            _("Accept the new keys?"),
            _("Do this only if {name} has told you, in person or on the phone, that they joined anew.").format(
                name=name
            ),
            _("Accept"),
            lambda: self._ask(lambda chat: chat.client.accept(name), lambda _: self._accepted(name)),
            danger=True,
        )

    def _accepted(self, name: str) -> None:
        """The name is somebody else's from now on: the conversation with them comes on the screen."""
        window = self._window
        window.toast.show(_("You trust the keys that {name} has now.").format(name=name))
        if window.chat is not None:
            window.talking.reload(window.chat)
        window.panel.close()
        self._with(name)

    # ---- comparing emoji

    def start_comparing(self, account: str) -> None:
        self._ask(lambda chat: chat.client.compare(account))

    def compared(self, event: Comparing) -> None:
        """A step of a comparison."""
        self.compare.show(event)
        if event.step == "verified":
            self.refresh_details()
            if self._window.chat is not None:
                self._window.talking.reload(self._window.chat)

    # ---- menus

    def main_menu(self) -> None:
        window = self._window
        button = window.menu_button.widget
        other = ("sun", _("Light")) if window.look.dark else ("moon", _("Dark"))
        actions: list[tuple[str, str, Callable[[], object]]] = [
            ("people", _("Who is here"), self.show_people),
            ("plus", _("Join another chat…"), lambda: window.joining.start(first=False)),
            ("gear", _("Settings"), window.preferences.show),
            (*other, lambda: window.preferences.set_theme("light" if window.look.dark else "dark")),
            ("info", _("Help"), lambda: pages.help_page(window.overlay)),
        ]
        if window.settings.hosting:
            actions.insert(0, ("host", _("Invite friends…"), window.joining.invite))
        window.menu.open(button.winfo_rootx(), button.winfo_rooty() + button.winfo_height() + 4, actions)

    def conversation_menu(self, key: str, x: int, y: int) -> None:
        """What can be done with a conversation of the list."""
        window, chat = self._window, self._window.chat
        conversation = chat.conversations.get(key) if chat else None
        if chat is None or conversation is None:
            return
        muted = conversation.muted
        mute = _("Notify me again") if muted else _("Do not notify me")
        actions: list[tuple[str, str, Callable[[], object]]] = [
            ("bell_off", mute, lambda: window.talking.mute(chat, key, not muted)),
            ("copy", _("Export chat…"), lambda: self.export(key)),
        ]
        if not conversation.is_room:
            actions.append(("info", _("Details"), lambda: self._details_of(key)))
        window.menu.open(x, y, actions)

    def line_menu(self, line: Line, x: int, y: int) -> None:
        """What can be done with a message."""
        window, chat = self._window, self._window.chat
        if chat is None:
            return
        chosen = window.pane.messages.selection.text()
        copy = _("Copy what is marked") if chosen else _("Copy text")
        actions: list[tuple[str, str, Callable[[], object]]] = [
            ("copy", copy, lambda: window.copy(chosen or line.text)),
        ]
        if window.pane.messages.feed.is_room and not line.mine:
            actions.append(("lock", _("Reply privately"), lambda: window.show_conversation(line.account, line.name)))
        if line.mark == "failed":
            actions.append(("retry", _("Send again"), lambda: window.talking.retry(chat, line)))
            actions.append(("close", _("Remove"), lambda: window.talking.discard(chat, line)))
        actions.append(("eye", _("Message details"), lambda: self.show_message(line)))
        window.menu.open(x, y, actions)

    def show_message(self, line: Line) -> None:
        """All about a message, and what the server saw of it."""
        window = self._window
        is_room = window.pane.messages.feed.is_room

        def show(seen: ServerRecord | None) -> None:
            pages.message_page(window.overlay, window.talking.line_again(line), seen, is_room=is_room)

        if is_room:
            show(None)
        else:
            self._ask(lambda chat: chat.client.seen_by_server(line.id), show)

    # ---- the name, and forgetting

    def ask_name(self) -> None:
        chat = self._window.chat
        pages.ask_text(
            self._window.overlay,
            _("Your name"),
            _("Others see your new name at once. Your keys and messages stay the same."),
            _("Your name in this chat"),
            _("Take this name"),
            self.rename,
            text=chat.client.name if chat else "",
        )

    def rename(self, name: str) -> None:
        def done(_nothing: object) -> None:
            chat = self._window.chat
            if chat is not None:
                self._window.toast.show(_("You are now called {name}.").format(name=chat.client.name))

        self._ask(lambda chat: chat.client.rename(name), done)

    def ask_forget(self) -> None:
        pages.ask(
            self._window.overlay,
            _("Remove this chat from this computer?"),
            _(
                "Your keys and all messages of this chat are removed from this computer, for ever. Your name stays "
                "taken; the server's owner can release it."
            ),
            _("Remove"),
            self._window.forget_chat,
            danger=True,
        )

    # ---- emoji

    def toggle_picker(self) -> None:
        if self.picker is not None:
            self.close_picker()
            return
        window = self._window

        def picked(text: str) -> None:
            window.pane.composer.text.insert("insert", text)
            save(window.folder, window.settings)

        self.picker = EmojiPicker(
            window.pane.widget, window.look, window.settings.recent_emoji, picked, self.close_picker
        )
        up = window.pane.composer.widget.winfo_height() / window.look.scale + 20
        self.picker.widget.place(x=PICKER_RIGHT, rely=1.0, y=-up, anchor="sw")
        self.picker.widget.lift()

    def close_picker(self) -> None:
        if self.picker is not None:
            self.picker.widget.destroy()
            self.picker = None
            self._window.pane.composer.focus()

    # ---- export

    def export(self, key: str) -> None:
        """Ask for a file, and write the whole conversation into it."""
        chat = self._window.chat
        if chat is None:
            return
        name = f"TAlk {chat.title_of(key)}"
        chosen = filedialog.asksaveasfilename(
            title=_("Export chat…"),
            defaultextension=".html",
            initialfile=f"{name}.html",
            filetypes=[("HTML", "*.html"), (_("Text"), "*.txt")],
        )
        if chosen:
            self.export_to(chat, key, Path(chosen))

    def export_to(self, chat: Chat, key: str, path: Path) -> None:
        """Write it, and show how far that is."""
        form: Literal["text", "html"] = "text" if path.suffix.lower() == ".txt" else "html"

        def progress(done: int, total: int) -> None:
            words = _("Exporting: {done} of {total}").format(done=done, total=total)
            window.network.hand_over(lambda: window.toast.show(words))

        def written(count: int) -> None:
            window.toast.show(_("{count} messages are in {file}.").format(count=count, file=path.name))

        window = self._window
        window.network.ask(
            lambda: chat.client.export(key, path, form, progress), written, lambda words, _: window.toast.show(words)
        )
