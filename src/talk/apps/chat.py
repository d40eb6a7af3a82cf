"""What a typed line does, the same behind every face of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from typing import Protocol

from talk.client import Client, ClientError, Message, PrivateMessage
from talk.client.errors import OnlyBlocked
from talk.client.lines import LOBBY, Ask, Say, Tell, read_line
from talk.encryption.errors import EncryptionError
from talk.protocol.errors import Refused

HISTORY, MORE = 30, 100  # messages

COMMANDS = {
    "list": "who is here",
    "with": "NAME: talk privately with one person, until ?with lobby",
    "history": "the last messages of this conversation",
    "more": "what was said before them; again for what was before that",
    "name": "NAME: take another name",
    "block": "NAME: show nothing more of somebody (?unblock NAME to undo it)",
    "unblock": "NAME: show them again",
    "accept": "NAME: trust a name whose keys have changed, after you have asked them",
    "compare": "NAME: compare seven emoji, so that you both know that nobody is between you (also to agree to it)",
    "same": "NAME: the seven emoji are the same on both sides",
    "differ": "NAME: they are not the same",
    "leave": "go; what waits is sent the next time",
    "forget": "remove this profile and its messages from this computer",
    "help": "this list",
}
NEED_A_NAME = frozenset({"block", "unblock", "accept", "compare", "same", "differ"})
HELP = (
    "Write a line and everybody reads it. @name and a text goes to that person alone, sealed so that the server cannot "
    "read it."
)


class Face(Protocol):
    """How the answers to typed lines are shown."""

    def listed(self, users: tuple[str, ...]) -> None: ...
    def looked_back(self, messages: list[Message | PrivateMessage], *, further: bool) -> None: ...
    def helped(self, intro: str, commands: dict[str, str]) -> None: ...
    def told(self, text: str) -> None: ...
    def refused(self, code: str, text: str) -> None: ...


class Chat:
    """Carries out typed lines. `audience` is who a plain line goes to; `refusals` counts lines that went to nobody."""

    def __init__(self, client: Client, face: Face) -> None:
        self._client, self._face = client, face
        self.audience = LOBBY
        self.left = False
        self.forget = False
        self.refusals = 0
        self._back_to = 0  # where in this conversation ?more goes on

    async def typed(self, line: str) -> None:
        """Do what the line says. Whatever is wrong with it is shown, and it goes to nobody."""
        try:
            match read_line(line, self.audience):
                case Say(text):
                    await self._client.say(text)
                case Tell(name, text):
                    await self._client.send(name, text)
                case Ask(word, argument):
                    await self._asked(word, argument)
        except Refused as error:
            self._refused(error.code, str(error))
        except (ClientError, EncryptionError) as error:
            self._refused(getattr(error, "code", type(error).__name__), str(error))

    def _refused(self, code: str, text: str) -> None:
        self.refusals += 1
        self._face.refused(code, text)

    async def _asked(self, word: str, argument: str) -> None:
        action = self._actions().get(word)
        if action is None:
            like = difflib.get_close_matches(word, COMMANDS, 1)
            hint = f" Did you mean ?{like[0]}?" if like else " ?help lists what there is."
            self._refused("unknown_command", f"There is no ?{word}, so nothing was done.{hint}")
            return
        name = argument.removeprefix("@")
        if word in NEED_A_NAME and not name:
            self._refused("name_needed", f"Say whom you mean: ?{word} NAME. Nothing was done.")
            return
        await action(name)

    def _actions(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        return {
            "list": self._list,
            "with": self._with,
            "history": self._history,
            "more": self._more,
            "name": self._name,
            "block": self._block,
            "unblock": self._unblock,
            "accept": self._accept,
            "compare": self._compare,
            "same": self._same,
            "differ": self._differ,
            "leave": self._leave,
            "quit": self._leave,
            "forget": self._forget,
            "help": self._help,
        }

    async def _list(self, _: str) -> None:
        self._face.listed(self._client.people())

    async def _with(self, name: str) -> None:
        self._back_to = 0
        if name.casefold() in ("", LOBBY):
            self.audience = LOBBY
            self._face.told("You are talking to everybody in the lobby.")
            return
        self.audience = await self._client.person(name)
        self._face.told(f"You are talking to {self.audience} alone, until ?with lobby.")

    async def _history(self, _: str) -> None:
        self._back_to = 0
        await self._look_back(HISTORY)

    async def _more(self, _: str) -> None:
        await self._look_back(MORE if self._back_to else HISTORY)

    async def _look_back(self, limit: int) -> None:
        try:
            found = await self._client.history(self.audience, limit, self._back_to)
        except OnlyBlocked as blocked:
            self._back_to = blocked.before
            raise
        self.looked_back(found)
        if self.audience == LOBBY and not self._client.is_online:
            self._face.told("You are offline, so there are only the lines that this computer has.")

    def looked_back(self, messages: list[Message | PrivateMessage]) -> None:
        """Show these messages of this conversation; ?more goes on before them."""
        self._face.looked_back(messages, further=self._back_to > 0)
        if messages:
            first = messages[0]
            self._back_to = first.seq if isinstance(first, Message) else first.row

    async def _name(self, name: str) -> None:
        if not name:
            self._face.told(f"You are {self._client.name}. To take another name: ?name NAME")
            return
        await self._client.rename(name)
        self._face.told(f"You are now called {self._client.name}.")

    async def _block(self, name: str) -> None:
        await self._client.block(name)
        self._face.told(f"Nothing of {name} is shown any more. To undo it: ?unblock {name}")

    async def _unblock(self, name: str) -> None:
        await self._client.unblock(name)
        self._face.told(f"{name} is shown again.")

    async def _accept(self, name: str) -> None:
        if await self._client.accept(name):
            self._face.told(f"You trust the keys that {name} has now.")
        else:
            self._face.told(f"Nothing has changed about {name}, so there is nothing to accept.")

    async def _compare(self, name: str) -> None:
        await self._client.compare(await self._client.person_account(name))

    async def _same(self, name: str) -> None:
        await self._client.confirm(await self._comparison(name))

    async def _differ(self, name: str) -> None:
        await self._client.stop_comparing(await self._comparison(name), mismatch=True)

    async def _comparison(self, name: str) -> str:
        account = await self._client.person_account(name)
        for comparing in self._client.comparisons():
            if comparing.account == account:
                return comparing.id
        raise ClientError(f"You are not comparing keys with {name} now. To start: ?compare {name}")

    async def _leave(self, _: str) -> None:
        self.left = True

    async def _forget(self, answer: str) -> None:
        if answer.casefold() != "yes":
            self._face.told(
                "This removes your keys and all messages of this chat from this computer, for ever. Your name stays "
                "taken; the server's owner can release it. To do it, type: ?forget yes"
            )
            return
        self.left = self.forget = True

    async def _help(self, _: str) -> None:
        self._face.helped(HELP, COMMANDS)
