"""A bot to try things on: it answers every private message privately, and greets who greets it in the lobby.

python examples/tester.py LINK [FOLDER]
"""

import asyncio
import sys
from pathlib import Path

from talk import Client
from talk.client import ClientError, ClientEvent, EncryptionError, Message, PrivateMessage, Refused

NAME = "tester"


async def main(link: str, folder: Path) -> None:
    async with Client(folder, link=link, name=NAME, from_now=True) as client:
        async for event in client.events():
            try:
                await answer(client, event)
            except (ClientError, EncryptionError, Refused) as error:
                # A text that is too long to repeat, or a name that has moved: no reason to answer nobody else.
                print(f"tester: {error}", file=sys.stderr)


async def answer(client: Client, event: ClientEvent) -> None:
    match event:
        case PrivateMessage(sender=sender, text=text, mine=False):
            await client.send(sender, f"Aapne kaha: {text}")
        case Message(sender=sender, text=text, mine=False) if NAME in text.casefold():
            await client.say(f"Namaste {sender}! Try me privately: write @{NAME} and a text.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else ".demo/tester")))
