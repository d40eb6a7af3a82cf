"""What the list at the side shows of a chat. No widgets."""

from __future__ import annotations

from dataclasses import dataclass

from talk.apps.desktop.chats import Chat
from talk.apps.desktop.words import _, short_time
from talk.client import Conversation

MOST_PEOPLE = 200  # who are shown as found


@dataclass(slots=True)
class Row:
    """One row. `key` is the conversation, or the account of a person; a row with no key is a heading.

    Nothing changes one, but it is not frozen: 5,000 people are made in 8 ms instead of 35.
    """

    key: str
    name: str
    last: str = ""
    when: str = ""
    unread: int = 0
    is_room: bool = False
    account: str = ""
    private: bool = False
    here: bool = False
    muted: bool = False
    draft: bool = False
    mark: str = ""
    warning: bool = False


def rows_of(chat: Chat, search: str) -> list[Row]:
    """The conversations, or those that fit what is searched for, and people who fit it."""
    wanted = search.strip().casefold().lstrip("@＠﹫")
    here = chat.here()
    rows = [
        _row(chat, each, here)
        for each in chat.in_order()
        if not wanted
        or wanted in chat.title_of(each.key).casefold()
        or (each.last and wanted in each.last.text.casefold())
    ]
    if not wanted:
        return rows
    people = [
        Row(account, name, account=account, here=True, private=True, last=_("Write privately"))
        for account, name in here.items()
        if wanted in name.casefold() and account not in chat.conversations and account != chat.client.account
    ]
    if people:
        people.sort(key=lambda row: row.name.casefold())
        rows += [Row("", _("People here")), *people[:MOST_PEOPLE]]
    return rows or [Row("", _("Nothing found"))]


def _row(chat: Chat, each: Conversation, here: dict[str, str]) -> Row:
    line = each.last
    draft = each.draft.strip() if each.key != chat.shown else ""
    return Row(
        key=each.key,
        name=chat.title_of(each.key),
        last=_("Draft: {text}").format(text=draft) if draft else _last_words(each),
        when=short_time(line.at) if line else "",
        unread=each.unread,
        is_room=each.is_room,
        account=each.key,
        private=not each.is_room,
        here=each.key in here,
        muted=each.muted,
        draft=bool(draft),
        mark=line.mark if line is not None and line.mine else "",
        warning=each.disputed,
    )


def _last_words(each: Conversation) -> str:
    if each.last is None:
        return "" if each.is_room else _("Only the two of you")
    if each.is_room and not each.last.mine:
        return f"{each.last.name}: {each.last.text}"
    return each.last.text
