"""The one table of commands: who may use each, when, and what answers it.

A command is **paid** when it counts against the account's rate; all others are free. Every handler is a rule: it takes
the context, the session and the command, and returns a decision or raises Refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from talk.protocol import commands
from talk.protocol.errors import Code, Refused
from talk.server.rules import accounts, keys, mailboxes, rooms
from talk.server.rules.decisions import Decision, Reply, Watch
from talk.server.rules.session import Context, Session

Handler = Callable[[Context, Session, Any], Decision]


def _ping(context: Context, session: Session, command: commands.Ping) -> Decision:
    return [Reply(commands.Pong())]


def _pong(context: Context, session: Session, command: commands.Pong) -> Decision:
    return []


def _list(context: Context, session: Session, command: commands.ListPeople) -> Decision:
    return [Watch(command.id)]


@dataclass(frozen=True, slots=True)
class Entry:
    """How a command is handled. `login` says whether it belongs after the login, before it, or either (None)."""

    handler: Handler
    login: bool | None = True
    paid: bool = False


TABLE: dict[type, Entry] = {
    commands.Hello: Entry(accounts.hello, login=False),
    commands.Register: Entry(accounts.register, login=False),
    commands.Login: Entry(accounts.login, login=False),
    commands.Resume: Entry(rooms.resume),
    commands.Say: Entry(rooms.say, paid=True),
    commands.Send: Entry(mailboxes.send, paid=True),
    commands.Ack: Entry(mailboxes.ack),
    commands.PublishKeys: Entry(keys.publish, paid=True),
    commands.SetDevices: Entry(accounts.set_devices, paid=True),
    commands.Query: Entry(keys.query),
    commands.Claim: Entry(keys.claim, paid=True),
    commands.History: Entry(rooms.history),
    commands.ListPeople: Entry(_list),
    commands.Rename: Entry(accounts.rename, paid=True),
    commands.Ping: Entry(_ping, login=None),
    commands.Pong: Entry(_pong, login=None),
}


def decide(context: Context, session: Session, command: commands.Command) -> Decision:
    """What this command leads to. Errors: Refused."""
    entry = TABLE[type(command)]
    if entry.login is True and not session.logged_in:
        raise Refused(Code.LOGIN_FIRST)
    if entry.login is False and session.logged_in:
        raise Refused(Code.ALREADY_LOGGED_IN)
    return entry.handler(context, session, command)
