"""Coming into chats: joining with a link, servers of this network, and hosting one on this computer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import aclosing

from talk.apps import hosting
from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.host_page import invitation_page
from talk.apps.desktop.network import Network
from talk.apps.desktop.overlay import Overlay
from talk.apps.desktop.passphrases import Passphrases
from talk.apps.desktop.start_page import Listener, StartPage
from talk.apps.desktop.words import _
from talk.apps.hosting import Hosted
from talk.client import default_folder
from talk.client.nearby import Found, servers_nearby
from talk.encryption.database import FILE
from talk.local.addresses import home_addresses
from talk.local.folders import server_folder
from talk.protocol.link import parse_link


def home_interfaces() -> list[str]:
    """Where to look for chats nearby: at home or in an office, never on the open internet."""
    return [address for address in home_addresses() if ":" not in address]


class Joining:
    """`open` opens a profile (folder, link, name); `leave` closes a chat that was not joined after all,
    forgets it perhaps, and does something then."""

    def __init__(
        self,
        network: Network,
        overlay: Overlay,
        passphrases: Passphrases,
        *,
        open: Callable[..., Chat],
        leave: Callable[..., object],
        find: Callable[[str], Chat | None],
        hosted: Callable[[], object],
        told: Callable[[str], object],
    ) -> None:
        self._network, self._overlay, self._passphrases = network, overlay, passphrases
        self._open, self._leave, self._find, self._hosted, self._told = open, leave, find, hosted, told
        self._page: StartPage | None = None
        self._typed = ("", "")
        self._chat: Chat | None = None
        self._looking: Future[None] | None = None
        self._to_show: Hosted | None = None  # its invitation, once its owner has come in

    @property
    def is_open(self) -> bool:
        return self._page is not None

    def start(self, *, first: bool) -> None:
        """Open the page for joining."""
        listener = Listener(join=self._join, host=self.host, closed=self._closed)
        self._page = StartPage(self._overlay, listener, first=first)
        self._look_around()

    def _closed(self) -> None:
        self._page = None
        if self._looking is not None:
            self._looking.cancel()
        if self._chat is not None:
            self._leave(self._chat)
            self._chat = None
        self._passphrases.forget_all()

    def _look_around(self) -> None:
        interfaces = home_interfaces()
        if not interfaces:
            return

        async def look() -> None:
            async with aclosing(servers_nearby(interfaces=interfaces)) as changes:
                async for found in changes:
                    self._network.hand_over(lambda found=found: self._show_nearby(found))  # type: ignore[misc]

        self._looking = self._network.ask(look)

    def _show_nearby(self, found: tuple[Found, ...]) -> None:
        if self._page is not None:
            self._page.show_nearby(list(found))

    # ---- joining

    def _join(self, link: str, name: str) -> None:
        self._typed = (link, name)
        server = parse_link(link).server
        known = self._find(server)
        if known is not None:
            self._finish()
            return
        folder = default_folder(link)
        is_new = not (folder / FILE).exists()
        if not is_new and self._page is not None and link in {found.link for found in self._page.found}:
            link = ""  # nobody vouches for an announced address; the profile's own one is better
        if self._chat is not None:
            chat, self._chat = self._chat, None
            self._leave(chat)
        self._chat = self._open(folder, link=link, name=name if is_new else "")

    def settled(self, chat: Chat, problem: str) -> bool:
        """The chat that is being joined is there, or `problem` says why not; whether that was ours to know."""
        if chat is not self._chat or self._page is None:
            return False
        if not problem:
            self._chat = None
            self._finish()
            return True
        self._chat = None
        if chat.state == State.ENDED:  # by the server; a passphrase that opens nothing is asked for again
            self._passphrases.keep(chat.client.folder)
        else:
            self._passphrases.forget(chat.client.folder)
        # A profile that has never come in holds nothing, and would keep the name that was refused.
        self._leave(chat, forget=not chat.client.is_registered, then=lambda: self._refused(problem))
        return True

    def _refused(self, problem: str) -> None:
        self.go_on()
        if self._page is not None:
            self._page.failed(problem)

    def go_on(self) -> None:
        """The page was covered by a question: it comes back as it was, if somebody is joining."""
        if self._page is None or self._page.is_there:
            return
        link, name = self._typed
        self._page = StartPage(self._overlay, self._page.listener, first=self._page.first)
        self._page.fill(link, name)
        if self._chat is not None:
            self._page.busy(_("Joining…"))

    def _finish(self) -> None:
        self._page = None
        if self._looking is not None:
            self._looking.cancel()
        self._passphrases.forget_all()
        self._overlay.close(tell=False)

    # ---- hosting

    def host(self, name: str) -> None:
        """Start a server of one's own, join it, and show its invitation."""
        if self._page is not None:
            self._page.busy(_("Starting your server…"))
        title = _("{name}'s chat").format(name=name)

        def started(hosted: Hosted) -> None:
            self._hosted()
            self._join(hosted.link, name)
            self._to_show = hosted

        def failed(words: str, _error: Exception) -> None:
            if self._page is not None:
                self._page.failed(words)

        self._network.ask(lambda: hosting.start(server_folder(), title=title, open=False), started, failed)

    def came_in(self) -> None:
        """A chat has become ready: after hosting, its invitation comes on the screen."""
        hosted, self._to_show = self._to_show, None
        if hosted is not None:
            self._show_invitation(hosted.link, hosted.who_can_join)

    def invite(self, note: str = "") -> None:
        """Show a fresh invitation to the server on this computer, and perhaps what has just been done."""

        async def fresh() -> tuple[str, tuple[str, ...]]:
            hosted = await hosting.status(server_folder())
            return await hosting.invite(server_folder()), hosted.who_can_join if hosted else ()

        def show(answer: tuple[str, tuple[str, ...]]) -> None:
            self._show_invitation(*answer, note=note)

        self._network.ask(fresh, show, lambda words, _error: self._told(words))

    def _show_invitation(self, link: str, who_can_join: tuple[str, ...], *, note: str = "") -> None:
        words = note or _("Send this link to your friends. They paste it into TAlk and are in.")
        invitation_page(self._overlay, words, link, who_can_join, revoke=self._revoke, stop=self._stop)

    def _revoke(self) -> None:
        def done(_nothing: None) -> None:
            self.invite(_("All links before this one let nobody new in any more. Who has joined stays."))

        self._network.ask(lambda: hosting.revoke(server_folder()), done, lambda words, _error: self._told(words))

    def _stop(self) -> None:
        self._overlay.close()
        self._network.ask(
            lambda: hosting.stop(server_folder()),
            lambda _done: self._told(_("Your server has stopped. Everything that was acknowledged is saved.")),
            lambda words, _error: self._told(words),
        )
