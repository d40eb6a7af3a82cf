"""Private messages: one sealed content into each device's mailbox, until that device says it has worked it through.

The server learns who, to whom, when and how long. What it is given to keep is ciphertext, and it keeps it as the bytes
it got.
"""

from __future__ import annotations

import hashlib

import msgspec

from talk.protocol import commands, events
from talk.protocol.errors import Code, Malformed, Refused
from talk.protocol.json import Reader
from talk.protocol.keys import Identity
from talk.protocol.limits import MAIL_LIFETIME_MS, MAX_SEALED
from talk.server.ports import AckMail, Delivered, DeliverMail, MailItem, Noticed, Sweep
from talk.server.rules.decisions import Close, Decision, Effect, Identities, Post, Read, Reply, TellOwner, Write
from talk.server.rules.session import Context, Session

_sealed: Reader[events.Sealed] = Reader(events.Sealed)


def send(context: Context, session: Session, command: commands.Send) -> Decision:
    if command.to == session.account:
        raise Refused(Code.TO_YOURSELF)
    if command.to not in context.directory.accounts:
        raise Refused(Code.UNKNOWN_RECIPIENT)
    contents = {device: _check_sealed(bytes(raw)) for device, raw in command.sealed.items()}
    change = DeliverMail(
        id=command.id,
        account=session.account,
        device=session.device,
        to=command.to,
        at=context.clock(),
        contents=contents,
        lists=command.lists,
        digest=_digest(command.to, contents),
    )

    def then(outcome: Delivered) -> list[Effect]:
        stored = Reply(events.Stored(command.id, outcome.at))
        if not outcome.new:
            return [stored]
        posts = [
            Post(device, _item(change, number, outcome.at, contents[device]))
            for device, number in outcome.numbers.items()
        ]
        return [stored, *posts, TellOwner("private", lambda: _told(context, change))]

    def refused(code: Code) -> Decision:
        if code is not Code.DEVICES_CHANGED:
            raise Refused(code)
        return Read(Identities((command.to, session.account)), lambda found: _changed(context, command.id, found))

    return Write(change, then, refused)


def _check_sealed(raw: bytes) -> bytes:
    """The same bytes, if they have the form of sealed content. What is inside, nobody here can tell."""
    if len(raw) > MAX_SEALED:
        raise Refused(Code.TEXT_TOO_LONG, length=len(raw), limit=MAX_SEALED)
    try:
        sealed = _sealed.read(raw)
    except Malformed as error:
        raise Refused(Code.BAD_REQUEST, detail=f"sealed content: {error.detail}") from None
    if sealed.algorithm != events.SEALED_ALGORITHM:
        raise Refused(Code.BAD_REQUEST, detail="sealed content: unknown algorithm")
    return raw


def _digest(to: str, contents: dict[str, bytes]) -> bytes:
    digest = hashlib.sha256(to.encode())
    for device in sorted(contents):
        digest.update(b"\n%b %d\n" % (device.encode(), len(contents[device])))
        digest.update(contents[device])
    return digest.digest()


def _item(change: DeliverMail, number: int, at: int, content: bytes) -> MailItem:
    return MailItem(number, change.id, change.account, change.device, at, events.SEALED, content)


def _told(context: Context, change: DeliverMail) -> dict[str, object]:
    """What the owner may see of a private message: who, to whom, and its padded size."""
    theirs = context.directory.accounts[change.to].devices
    size = max((len(content) for device, content in change.contents.items() if device in theirs), default=0)
    names = context.directory.name_of
    return {"from": names(change.account), "to": names(change.to), "bytes": size}


def _changed(context: Context, id: str, found: dict[str, bytes]) -> list[Effect]:
    refusal = Refused(Code.DEVICES_CHANGED)
    return [
        Reply(
            events.Error(
                code=refusal.code,
                message=str(refusal),
                id=id,
                retryable=True,
                profiles=[profile(context, account, document) for account, document in found.items()],
            )
        )
    ]


def profile(context: Context, account: str, document: bytes) -> events.Profile:
    """An account's name now and its signed keys, as the store has them."""
    identity = msgspec.json.decode(document, type=Identity)
    return events.Profile(account, context.directory.name_of(account), identity)


def ack(context: Context, session: Session, command: commands.Ack) -> Decision:
    if command.epoch != context.directory.epoch:
        refusal = Refused(Code.NEW_EPOCH)
        return [Close(events.Error(refusal.code, str(refusal), retryable=True))]
    change = AckMail(session.account, session.device, command.mail, tuple(command.undecryptable), context.clock())

    def then(outcome: Noticed) -> list[Effect]:
        answer = [Reply(events.Done(command.id))] if command.id else []
        return [*answer, *noticed(outcome)]

    return Write(change, then)


def sweep(context: Context) -> Write:
    """Let go of mail that nobody fetched in its lifetime, and tell its senders; let go of invites that are over."""
    now = context.clock()
    return Write(Sweep(now, now - MAIL_LIFETIME_MS), noticed)


def noticed(outcome: Noticed) -> list[Effect]:
    return [Post(device, item) for device, item in outcome.notices]


def mail_event(context: Context, item: MailItem) -> events.Mail:
    """A mailbox item as it is passed on, with its sender's name of today."""
    return events.Mail(
        n=item.n,
        id=item.id,
        account=item.account,
        device=item.device,
        name=context.directory.name_of(item.account),
        at=item.at,
        kind=item.kind,
        content=msgspec.Raw(item.content),
    )
