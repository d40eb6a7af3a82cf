"""What only the owner of the server may do, beside the running server.

OwnerError      a sentence for the owner: nothing was changed
"""

from __future__ import annotations

from talk.protocol.errors import Code
from talk.protocol.limits import INVITE_DAYS, INVITE_USES
from talk.server.ports import AccountRow, AddInvite, Changed, InviteRow, ReleaseName, RevokeInvites, SetBanned
from talk.server.rules.accounts import token_hash
from talk.server.rules.decisions import CloseDevices, Effect, Renamed, Write
from talk.server.rules.session import Context

DAY_MS = 24 * 3600 * 1000


class OwnerError(Exception):
    """Why the owner's wish was not carried out."""


def find(context: Context, name: str) -> AccountRow:
    """The account of that name, or of that account id, for one whose name was released. Errors: OwnerError."""
    row = context.directory.accounts.get(name.strip()) or context.directory.find(name.strip().lstrip("@"))
    if row is None:
        raise OwnerError(f"Nobody here is called {name}. Nothing was changed.")
    return row


def invite(context: Context, token: str) -> Write:
    """Let this token take names for a week, INVITE_USES times."""
    row = InviteRow(token_hash(token), INVITE_USES, context.clock() + INVITE_DAYS * DAY_MS)

    def then(_: Changed) -> list[Effect]:
        context.directory.put_invite(row)
        return []

    return Write(AddInvite(row), then)


def revoke(context: Context, token: str) -> Write:
    """Let nobody new come in with this token's invite; with any that was made so far for "". Errors: OwnerError."""
    hashes = context.directory.good_invites(context.clock())
    if token:
        hashes = [found for found in hashes if found == token_hash(token)]
    if not hashes:
        which = "This invitation lets nobody" if token else "No invitation lets anybody"
        raise OwnerError(f"{which} new in as it is. Nothing was changed.")

    def then(_: Changed) -> list[Effect]:
        context.directory.revoke_invites(hashes)
        return []

    return Write(RevokeInvites(tuple(hashes)), then)


def kick(context: Context, name: str) -> list[Effect]:
    """End the connections of this person, who may come back."""
    return [CloseDevices(sorted(find(context, name).devices), Code.KICKED)]


def ban(context: Context, name: str) -> Write:
    """End the connections of this person, who may not come back."""
    row = find(context, name)

    def then(_: Changed) -> list[Effect]:
        context.directory.update(row.account, banned=True)
        return [CloseDevices(sorted(context.directory.accounts[row.account].devices), Code.BANNED)]

    return Write(SetBanned(row.account, True), then)


def unban(context: Context, name: str) -> Write:
    """Let this person come back."""
    row = find(context, name)

    def then(_: Changed) -> list[Effect]:
        context.directory.update(row.account, banned=False)
        return []

    return Write(SetBanned(row.account, False), then)


def release_name(context: Context, name: str) -> Write:
    """Take the name from its account, so that somebody else can have it. Contacts will be warned of the change."""
    row = find(context, name)

    def then(_: Changed) -> list[Effect]:
        context.directory.update(row.account, name="")
        return [Renamed(row.account), CloseDevices(sorted(row.devices), Code.KICKED)]

    return Write(ReleaseName(row.account), then)
