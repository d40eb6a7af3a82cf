"""What is about to happen to a text in the composer: who will read it, or why nobody will; and what may complete it.

No widgets. The line's meaning is that of `talk.client.lines`, the same in every client.
"""

from __future__ import annotations

from dataclasses import dataclass

from talk.apps.chat import COMMANDS
from talk.apps.desktop.chats import Chat, State
from talk.apps.desktop.said import said
from talk.apps.desktop.words import _
from talk.client import ClientError
from talk.client.lines import Ask, Say, Tell, read_line
from talk.protocol.errors import Refused
from talk.protocol.names import split_address
from talk.protocol.text import starts_with_at


@dataclass(frozen=True, slots=True)
class ToRoom:
    """For everybody in this room."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class ToPerson:
    """For this account alone."""

    account: str
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """For a name that has to be asked for first."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    word: str
    argument: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """It goes to nobody, and why; "" for an empty line."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who will read what is written. `problem` says why it cannot be sent as it stands."""

    words: str
    private: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a word may become. `text` replaces all that was typed."""

    text: str
    name: str
    hint: str = ""
    account: str = ""
    here: bool = False


SOMEBODY = "?"  # whom a conversation with one person is with; this is nobody's name
Meaning = ToRoom | ToPerson | Unknown | Command | Nothing


def meaning(text: str, chat: Chat, key: str) -> Meaning:
    """What this text would do in this conversation."""
    conversation = chat.conversations.get(key)
    if not text.strip() or conversation is None:
        return Nothing()
    try:
        if conversation.is_room or starts_with_at(text) or _is_command(text):
            line = read_line(text)
        else:
            line = read_line(text, SOMEBODY)
    except (ClientError, Refused) as error:
        return Nothing(said(error))
    match line:
        case Say(words):
            return ToRoom(key, words)
        case Tell(name, words) if name is SOMEBODY:
            return ToPerson(key, words)
        case Tell(name, words):
            account = account_of(chat, name)
            if account and account == chat.client.account:
                return Nothing(_("That is you. Nothing will be sent."))
            return ToPerson(account, words) if account else Unknown(name, words)
        case Ask(word, argument):
            return Command(word, argument)
    return Nothing()


def _is_command(text: str) -> bool:
    try:
        return isinstance(read_line(text), Ask)
    except (ClientError, Refused):
        return False


def account_of(chat: Chat, name: str) -> str:
    """The account of somebody whose name is on the screen already, "" for others."""
    wanted = name.casefold()
    for each in chat.conversations.values():
        if not each.is_room and each.name.casefold() == wanted and not each.disputed:
            return each.key
    return next((account for account, other in chat.client.here().items() if other.casefold() == wanted), "")


def audience(text: str, chat: Chat, key: str, problems: dict[str, str]) -> Audience:
    """Who reads this text. `problems` are names that were asked for, and why they cannot be written to."""
    conversation = chat.conversations.get(key)
    if conversation is None:
        return Audience("")
    if _is_command(text):
        return Audience(_("For TAlk itself: nobody reads this"))
    if chat.state in (State.ENDED, State.CLOSED):
        return Audience("", problem=_("This chat is closed, so nothing can be sent."))
    if starts_with_at(text):
        return _private_audience(text, chat, key, problems)
    if conversation.disputed:
        return _disputed(conversation.name)
    if conversation.is_room:
        return Audience(_("Everybody in the lobby reads this"))
    return Audience(_("Only {name} can read this").format(name=conversation.name), private=True)


def _private_audience(text: str, chat: Chat, key: str, problems: dict[str, str]) -> Audience:
    address = split_address(text)
    if address is None or not address[0]:
        return Audience(_("Private: write the name, then your text"), private=True)
    name = address[0]
    account = account_of(chat, name)
    if _is_typing_name(text, address):
        if not account:
            return Audience(_("Private: write the name, then your text"), private=True)
    elif name.casefold() in problems:
        return Audience("", private=True, problem=problems[name.casefold()])
    elif any(each.disputed and each.name.casefold() == name.casefold() for each in chat.conversations.values()):
        return _disputed(name)
    if account == chat.client.account:
        return Audience("", private=True, problem=_("That is you. Nothing will be sent."))
    if not account and chat.state != State.ONLINE:
        return Audience("", private=True, problem=not_known_offline(name))
    shown = chat.conversations[account].name if account in chat.conversations else name
    return Audience(_("Only {name} can read this").format(name=shown), private=True)


def not_known_offline(name: str) -> str:
    """Why nothing goes to a name that the server would have to be asked for."""
    words = _("You are offline, and {name} is not known here yet. Nothing is sent; try it when you are back.")
    return words.format(name=name)


def _disputed(name: str) -> Audience:
    words = _("The keys of {name} have changed. Nothing is sent until you have looked at that.")
    return Audience("", private=True, problem=words.format(name=name))


def _is_typing_name(text: str, address: tuple[str, str]) -> bool:
    return not address[1] and text.rstrip("\n").endswith(address[0])


def name_to_check(text: str, chat: Chat) -> str:
    """A name in this text that nobody on the screen has and the server should be asked for; "" for none."""
    if not starts_with_at(text):
        return ""
    address = split_address(text)
    if address is None or not address[0] or _is_typing_name(text, address):
        return ""
    return "" if account_of(chat, address[0]) else address[0]


def suggestions(text: str, chat: Chat, key: str) -> list[Suggestion]:
    """What a text that is only the beginning of a name or a command may become."""
    stripped = text.lstrip()
    if not stripped or any(map(str.isspace, stripped)):
        return []
    address = split_address(text)
    if address is not None:
        return _people(address[0].casefold(), chat) if not address[1] else []
    if stripped[0] in "?？﹖" and stripped[1:].isalpha() | (len(stripped) == 1):
        wanted = stripped[1:].lower()
        return [
            Suggestion(f"?{word} " if words.startswith("NAME") else f"?{word}", f"?{word}", _(words))
            for word, words in COMMANDS.items()
            if word.startswith(wanted)
        ]
    return []


def _people(wanted: str, chat: Chat) -> list[Suggestion]:
    here = chat.client.here()
    known = {each.key: each.name for each in chat.conversations.values() if not each.is_room and not each.disputed}
    people = {**known, **here}
    people.pop(chat.client.account, None)
    found = [
        Suggestion(f"@{name} ", name, account=account, here=account in here)
        for account, name in people.items()
        if name and wanted in name.casefold() and _is_read_back(name)
    ]
    return sorted(found, key=lambda each: (not each.name.casefold().startswith(wanted), not each.here, each.name))


def _is_read_back(name: str) -> bool:
    """Whether a line to this name goes to it: with "bob (earlier keys)" it would go to who is bob now."""
    return split_address(f"@{name} hi") == (name, "hi")
