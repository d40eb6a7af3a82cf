"""The owner's commands, asked through the control socket beside the running server.

Requests are `{"do": word, "name": …, "file": …}`; each is answered by one object.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable

from talk.local.errors import Declined
from talk.protocol.errors import Refused
from talk.protocol.ids import encode32
from talk.protocol.link import LinkError, parse_link
from talk.server.engine import Engine
from talk.server.ports import Store, StoreError
from talk.server.rules import owner
from talk.server.rules.decisions import Write

TOKEN_BYTES = 16
PATIENCE = 60.0  # seconds


class Owner:
    """Answers requests of the control socket.

    `link_with` makes the text of a link that carries this token; `describe` says what the server is; `stop` asks it to
    stop.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        *,
        link_with: Callable[[str], str],
        describe: Callable[[], dict[str, object]],
        stop: Callable[[], None],
    ) -> None:
        self._engine, self._store = engine, store
        self._link_with, self._describe, self._stop = link_with, describe, stop

    async def answer(self, request: dict[str, object]) -> AsyncIterator[dict[str, object]]:
        """Errors: Declined, with a sentence for the owner."""
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._answer(str(request.get("do", "")), str(request.get("name", "")), request)
        except (owner.OwnerError, StoreError, Refused, LinkError) as error:
            raise Declined(str(error)) from error
        except TimeoutError as error:
            raise Declined(
                f"The server did not get to it within {PATIENCE:.0f} seconds, and may still do it. Please look first."
            ) from error
        yield answer
        if request.get("do") == "stop":
            # The control socket ends with the server, so the answer has to be out first.
            self._stop()

    async def _answer(self, do: str, name: str, request: dict[str, object]) -> dict[str, object]:
        context = self._engine.context
        match do:
            case "invite":
                return {"link": await self.new_link()}
            case "revoke":
                return await self._revoke(str(request.get("link", "")))
            case "kick":
                self._engine.perform(owner.kick(context, name))
                return {"done": f"{name} was disconnected and may come back. To keep them out: talk ban {name}"}
            case "ban":
                return await self._change(owner.ban(context, name), f"{name} is banned. To undo it: talk unban {name}")
            case "unban":
                return await self._change(owner.unban(context, name), f"{name} may come back.")
            case "release":
                account = owner.find(context, name).account
                done = (
                    f"The name {name} is free. Whoever talked with them privately is warned when it is taken again. "
                    f"Their account is {account}, should you want to ban it."
                )
                return await self._change(owner.release_name(context, name), done)
            case "backup":
                target = str(request.get("file", ""))
                await self._store.backup(target)
                return {"done": f"Everything is saved in {target}. Keep it private: it holds the server's key."}
            case "status":
                people = len(self._engine.delivery.presence.people())
                figures = {"connections": len(self._engine.connections), "people": people, "server": context.key.id}
                return figures | self._describe()
            case "stop":
                return {"done": "The server is stopping."}
            case _:
                raise Declined(f"The running server does not know {do!r}. Is it older than this program?")

    async def _change(self, write: Write, done: str) -> dict[str, object]:
        await self._engine.change(write)
        return {"done": done}

    async def _revoke(self, link: str) -> dict[str, object]:
        context = self._engine.context
        if not context.invite_needed:
            raise Declined(
                "New names need no invitation here: this server was started with --open, or serves this computer only. "
                "Nothing was changed."
            )
        token = self._token_in(link) if link else ""
        which = "This link lets" if link else "The links given out so far let"
        done = f"{which} nobody new in any more. Who has joined stays. Make a fresh one with: talk invite"
        return await self._change(owner.revoke(context, token), done)

    def _token_in(self, text: str) -> str:
        link = parse_link(text)
        if link.server != self._engine.context.key.id:
            raise Declined("This link leads to another server. Nothing was changed.")
        if not link.token:
            raise Declined("There is no invitation in this link. Nothing was changed.")
        return link.token

    async def new_link(self) -> str:
        """The text of a link; with a fresh invite in it where one is needed. Errors: Refused."""
        if not self._engine.context.invite_needed:
            return self._link_with("")
        token = encode32(secrets.token_bytes(TOKEN_BYTES))
        await self._engine.change(owner.invite(self._engine.context, token))
        return self._link_with(token)
