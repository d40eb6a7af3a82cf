"""What the window does in a conversation: read pages, send, mark as read, keep drafts, try again. All of it by asking
the client on the network's thread; the answers come back into the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from talk.apps.desktop import typed
from talk.apps.desktop.chat_pane import ChatPane
from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.network import Network
from talk.client import Conversation, Line, UnknownName
from talk.client.errors import OnlyBlocked

PAGE = 100  # lines read at a time
DRAFT_AFTER_MS = 600
CHECK_NAME_AFTER_MS = 250


class Talking:
    """`opened` gets an account that should come on the screen, `told` what went wrong elsewhere; `loaded` is called
    when lines of the conversation on the screen were read."""

    def __init__(
        self,
        network: Network,
        pane: ChatPane,
        *,
        changed: Callable[[Chat], object],
        opened: Callable[[str], object],
        told: Callable[[str], object],
        command: Callable[[str, str], object],
        loaded: Callable[[], object],
    ) -> None:
        self._network, self._pane = network, pane
        self._changed, self._opened, self._told, self._command = changed, opened, told, command
        self._loaded = loaded
        self._loading: set[tuple[int, str]] = set()
        self._filling: set[int] = set()
        self._draft_later = self._check_later = ""

    def stop(self) -> None:
        """What it writes for is about to be taken away."""
        for later in (self._draft_later, self._check_later):
            if later:
                self._pane.widget.after_cancel(later)

    # ---- reading

    def reload(self, chat: Chat) -> None:
        """Ask for the list of conversations."""

        def take(conversations: list[Conversation]) -> None:
            chat.take(conversations)
            self._changed(chat)

        chat.asking()
        self._network.ask(chat.client.conversations, take, lambda words, _: self._told(words))

    def load(self, chat: Chat, key: str) -> None:
        """Read the next older page of a conversation from this device's disk."""
        feed = chat.feed(key)
        if feed.complete or (id(chat), key) in self._loading:
            return
        self._loading.add((id(chat), key))

        def take(page: list[Line]) -> None:
            self._loading.discard((id(chat), key))
            first = not feed.loaded
            count = feed.add_older(page, asked=PAGE, before=before)
            if self._pane.chat is chat and self._pane.key == key:
                self._pane.messages.changed(older=0 if first else count)
                self._pane.show_empty()
                self._loaded()

        def failed(words: str, _error: Exception) -> None:
            self._loading.discard((id(chat), key))
            self._told(words)

        before = feed.oldest_row
        self._network.ask(lambda: self._network.read(chat.client.lines(key, before, PAGE)), take, failed)

    def reload_feeds(self) -> None:
        """Somebody was blocked or is shown again: read everything on the screen anew."""
        chat, key = self._pane.chat, self._pane.key
        if chat is None:
            return
        chat.feeds.clear()
        self.reload(chat)
        self._pane.messages.show(chat.feed(key))
        self.load(chat, key)

    def fill_hole(self, line: Line) -> None:
        """Ask the server for the lines of a room that are missing before this one."""
        chat, key = self._pane.chat, self._pane.key
        if chat is None or chat.state != State.ONLINE or line.seq in self._filling:
            return
        self._filling.add(line.seq)
        looked = chat.feed(key).looked

        def take(found: list[Line]) -> None:
            self._filling.discard(line.seq)
            count = chat.feed(key).fill_hole(line, found)
            if self._pane.chat is chat and self._pane.key == key:
                self._pane.messages.changed(older=count)

        def failed(_words: str, error: Exception) -> None:
            self._filling.discard(line.seq)
            if isinstance(error, OnlyBlocked):
                looked[line.seq] = error.before

        before = looked.get(line.seq, line.seq)
        self._network.ask(lambda: self._network.read(chat.client.earlier(key, before, PAGE)), take, failed)

    def read(self, chat: Chat, key: str) -> None:
        """What is on the screen has been read."""
        conversation, feed = chat.conversations.get(key), chat.feeds.get(key)
        if conversation is None or feed is None:
            return
        row = max((line.row for line in feed.lines[-20:]), default=0)
        if not feed.loaded or (not conversation.unread and row <= conversation.read):
            return
        chat.change(key, unread=0, read=max(row, conversation.read))
        self._changed(chat)
        if row:
            self._network.ask(lambda: chat.client.mark_read(key, row))

    # ---- writing

    def typing(self, text: str) -> None:
        """Something was typed: keep it as a draft soon, and see whether a name in it exists."""
        widget, chat, key = self._pane.widget, self._pane.chat, self._pane.key
        if chat is None or key not in chat.conversations:
            return
        if self._draft_later:
            widget.after_cancel(self._draft_later)
        self._draft_later = widget.after(DRAFT_AFTER_MS, lambda: self.keep_draft(chat, key, text))
        self.check_name()

    def check_name(self) -> None:
        """See soon whether the name in the composer exists, as far as the server can be asked."""
        widget, chat = self._pane.widget, self._pane.chat
        if self._check_later:
            widget.after_cancel(self._check_later)
            self._check_later = ""
        if chat is None:
            return
        name = typed.name_to_check(self._pane.composer.get(), chat)
        if name and chat.state == State.ONLINE and name.casefold() not in self._pane.problems:
            self._check_later = widget.after(CHECK_NAME_AFTER_MS, lambda: self._check_name_now(chat, name))

    def keep_draft(self, chat: Chat, key: str, text: str) -> None:
        """Keep what is written but not sent."""
        conversation = chat.conversations.get(key)
        if conversation is None or conversation.draft == text:
            return
        chat.change(key, draft=text)
        self._network.ask(lambda: chat.client.set_draft(key, text))

    def _check_name_now(self, chat: Chat, name: str) -> None:
        self._check_later = ""

        def found(account: str) -> None:
            chat.begin_with(account, name)
            self._pane.show_audience()

        def failed(words: str, _error: Exception) -> None:
            self._pane.problems[name.casefold()] = words
            self._pane.show_audience()

        self._network.ask(lambda: chat.client.person_account(name), found, failed)

    def send(self, text: str) -> None:
        """Carry out what was written, or say why it goes to nobody; then it stays in the composer."""
        chat, key, pane = self._pane.chat, self._pane.key, self._pane
        if chat is None or pane.composer.audience.problem:
            return
        match typed.meaning(text, chat, key):
            case typed.Nothing(reason):
                if reason:
                    pane.refuse(reason)
            case typed.Command(word, argument):
                self._clear(chat, key)
                self._command(word, argument)
            case typed.ToRoom(_, said):
                self._clear(chat, key)
                self._network.ask(lambda: chat.client.say(said), None, lambda words, _: self._give_back(text, words))
            case typed.ToPerson(account, said):
                self._send_to(chat, key, account, said, text)
            case typed.Unknown(name, said):
                self._find_and_send(chat, key, name, said, text)

    def _clear(self, chat: Chat, key: str) -> None:
        self._pane.composer.set("")
        self.keep_draft(chat, key, "")
        self._pane.messages.to_bottom()

    def _send_to(self, chat: Chat, key: str, account: str, said: str, text: str) -> None:
        self._clear(chat, key)
        if account != key:
            self._opened(account)
        self._network.ask(
            lambda: chat.client.send_to(account, said), None, lambda words, _: self._give_back(text, words)
        )

    def _find_and_send(self, chat: Chat, key: str, name: str, said: str, text: str) -> None:
        """Nobody on the screen is called that: ask the server before anything leaves the composer."""
        if chat.state != State.ONLINE:
            self._pane.refuse(typed.not_known_offline(name))
            return

        def found(account: str) -> None:
            chat.begin_with(account, name)
            self._send_to(chat, key, account, said, text)

        def failed(words: str, error: Exception) -> None:
            if isinstance(error, UnknownName):
                self._pane.problems[name.casefold()] = words
            self._pane.refuse(words)

        self._network.ask(lambda: chat.client.person_account(name), found, failed)

    def _give_back(self, text: str, words: str) -> None:
        """It was not taken: it stands in the composer again, unless something else does."""
        if not self._pane.composer.get():
            self._pane.composer.set(text)
        self._pane.refuse(words)

    # ---- lines that failed

    def retry(self, chat: Chat, line: Line) -> None:
        """Send a failed line once more."""
        feed = chat.feed(line.conversation)

        def again(_id: str) -> None:
            feed.remove(line.id)
            if self._pane.chat is chat and self._pane.key == line.conversation:
                self._pane.messages.changed()

        self._network.ask(lambda: chat.client.retry(line.id), again, lambda words, _: self._told(words))

    def discard(self, chat: Chat, line: Line) -> None:
        """Forget a failed line."""
        feed = chat.feed(line.conversation)

        def gone(_nothing: object) -> None:
            feed.remove(line.id)
            if self._pane.chat is chat and self._pane.key == line.conversation:
                self._pane.messages.changed()
            self.reload(chat)

        self._network.ask(lambda: chat.client.discard(line.id), gone, lambda words, _: self._told(words))

    def mute(self, chat: Chat, key: str, muted: bool) -> None:
        """Whether this conversation may notify."""
        chat.change(key, muted=muted)
        self._changed(chat)
        self._network.ask(lambda: chat.client.set_muted(key, muted))

    def line_again(self, line: Line) -> Line:
        """The line as it is known now."""
        chat = self._pane.chat
        feed = chat.feeds.get(line.conversation) if chat else None
        index = feed.index(line.id, line.account) if feed else None
        return replace(line) if feed is None or index is None else feed.lines[index]
