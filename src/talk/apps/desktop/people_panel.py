"""Who is here: everybody who is connected, with a search; a click writes to them privately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.look import PANEL, Look
from talk.apps.desktop.rows import Row
from talk.apps.desktop.sidebar import RowList
from talk.apps.desktop.widgets import Field, Label
from talk.apps.desktop.words import _, ngettext

ROW_HEIGHT = 48


class PeoplePanel:
    """Lives in a panel's body. `refresh` takes in who came and left."""

    def __init__(self, body: Any, look: Look, chat: Chat, chosen: Callable[[str], object]) -> None:
        self._chat = chat
        self._here: dict[str, str] = {}
        self._everybody: list[tuple[str, Row]] = []
        body.grid_rowconfigure(2, weight=1)
        self.search = Field(body, _("Search"), icon_name="search", changed=lambda _: self.refresh())
        self.search.widget.grid(row=0, column=0, sticky="ew", padx=14, pady=(0, 6))
        self._count = Label(body, size=12, colour="soft")
        self._count.widget.grid(row=1, column=0, sticky="w", padx=20, pady=(0, 4))
        self.list = RowList(body, look, chosen, width=PANEL, row_height=ROW_HEIGHT)
        self.list.grid(row=2, column=0, sticky="nsew")
        self.refresh()

    def refresh(self) -> None:
        """Show who is here now."""
        here = self._chat.here()
        wanted = self.search.text.strip().casefold().removeprefix("@")
        if here != self._here:  # 30 ms for 5,000 people, so not at each letter
            self._here, self._everybody = here, self._in_order(here)
        words = ngettext("{} person is here", "{} people are here", len(here)).format(len(here))
        self._count.set(words if self._chat.state == State.ONLINE else _("You are offline, so nobody can be seen."))
        rows = [row for name, row in self._everybody if wanted in name]
        self.list.show(rows or [Row("", _("Nothing found"))])

    def _in_order(self, here: dict[str, str]) -> list[tuple[str, Row]]:
        """Everybody's row, oneself first, each with the name as it is searched."""
        me, you = self._chat.client.account, _("you")
        folded = sorted((account != me, name.casefold(), account) for account, name in here.items() if name)
        return [
            (name, Row(account, here[account] + ("" if other else f" ({you})"), account=account, here=True))
            for other, name, account in folded
        ]
