"""What came in: mail is opened, kept, and its ratchet with it, in one transaction; then it may be acknowledged."""

from __future__ import annotations

import logging
import traceback

from talk.client import held, outbox, store
from talk.client.events import ClientEvent, Mark, Notice
from talk.client.people import shown_name
from talk.encryption import contacts, messages, verification_messages
from talk.encryption.database import Database, transaction
from talk.encryption.errors import ProfileError, Replayed, Undecryptable, UnknownDevice
from talk.encryption.own import own
from talk.protocol import events
from talk.protocol.errors import Malformed, Refused
from talk.protocol.ids import is_account_id, is_message_id
from talk.protocol.json import Reader
from talk.protocol.limits import RECEIPTS_WITHIN
from talk.protocol.text import check_text

log = logging.getLogger(__name__)

EXPIRED = "Nobody fetched it within 30 days, so the server let it go."
MAX_IDS = 200  # in one receipt that is read
TOLD_AT_FIRST, TOLD_EACH = 5, 100  # messages of one device that could not be opened: the first, then each so many

_notice: Reader[events.NoticeContent] = Reader(events.NoticeContent)

Told = ClientEvent | messages.Opened


def take_mail(db: Database, mail: events.Mail, now: int, *, final: bool) -> list[Told]:
    """Work one item of mail through, and move the mail cursor on. Private texts are told by `store.received_after`.

    What belongs to a comparison of keys is handed back as it was opened.

    `final`: the sender's keys were asked for already, so that an unknown device is a stranger.
    Errors: UnknownDevice (learn the account's profile, then try once more with `final`).
    """
    profile = store.load(db)
    if profile is None or mail.n <= profile.mail:
        return []
    try:
        with transaction(db):
            told = _take(db, mail, profile.own.device, now, final=final)
    except (UnknownDevice, ProfileError):
        raise
    except Exception as error:
        # One mail must never end a session: it would come again at each login. Its words may hold what is private.
        log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
        told = [*_cannot_open(db, mail)]
    db.run("UPDATE profile SET mail = ?, mail_id = ?", mail.n, mail.id)
    return told


def _take(db: Database, mail: events.Mail, device: str, now: int, *, final: bool) -> list[Told]:
    match mail.kind:
        case events.SEALED:
            return _take_sealed(db, mail, now, final=final)
        case events.UNDECRYPTABLE | events.EXPIRED:
            return [*_take_notice(db, mail, device, now)]
        case _:
            return []


def _take_notice(db: Database, mail: events.Mail, device: str, now: int) -> list[ClientEvent]:
    try:
        notice = _notice.read(mail.content)
    except Malformed:
        return []
    if mail.kind == events.UNDECRYPTABLE:
        outbox.put_again(db, notice.id, mail.account, notice.device, now)
        return []
    # A copy for another device of one's own, or an older text to this person, says nothing of this one.
    if not _went_to(db, device, notice.id, mail.account):
        return []
    if not store.set_mark(db, device, notice.id, "failed", EXPIRED):
        return []
    return [Mark(notice.id, "failed", EXPIRED, "expired")]


def _take_sealed(db: Database, mail: events.Mail, now: int, *, final: bool) -> list[Told]:
    try:
        with transaction(db):
            opened = messages.unseal(db, mail)
    except Replayed:
        return []
    except UnknownDevice:
        if not final:
            raise
        return [*_cannot_open(db, mail)]
    except Undecryptable:
        return [*_cannot_open(db, mail)]
    match opened.kind:
        case outbox.TEXT:
            return [*_take_text(db, mail, opened, now)]
        case outbox.RECEIPT:
            return [*_take_receipt(db, opened)]
        case kind if kind.startswith(verification_messages.PREFIX):
            return [] if contacts.is_blocked(db, opened.account) else [opened]
        case _:
            return []


def _cannot_open(db: Database, mail: events.Mail) -> list[ClientEvent]:
    count = store.put_undecryptable(db, mail.n, mail.device)
    # Somebody who fills the mailbox with rubbish does not fill the screen with it.
    if contacts.is_blocked(db, mail.account) or not (count <= TOLD_AT_FIRST or count % TOLD_EACH == 0):
        return []
    who = store.contact_name(db, mail.account) or shown_name(mail.name)
    text = f"A private message from {who} could not be opened. Their device is asked to send it again."
    return [Notice("undecryptable", text)]


def _take_text(db: Database, mail: events.Mail, opened: messages.Opened, now: int) -> list[ClientEvent]:
    content = opened.content
    name = store.contact_name(db, opened.account) or shown_name(mail.name)
    to, text, id = (content.get(key) for key in ("to", "text", "id"))
    first_id = content.get("first_id", id)
    if not (isinstance(to, str) and is_account_id(to) and isinstance(text, str) and is_message_id(first_id)):
        return [Notice("needs_update", f"{name} sent something that needs a newer TAlk.")]
    me = own(db)
    mine = opened.account == me.account
    if contacts.is_blocked(db, opened.account) or (not mine and to != me.account):
        return []
    try:
        check_text(text)
    except Refused:
        return [Notice("bad_text", f"{name} sent a private text that is not allowed, so it is not shown.")]
    conversation, sender = (to if mine else opened.account), (opened.account, opened.device, name)
    missed = opened.missed - store.take_unopened(db, opened.device, opened.missed)
    new = store.keep_line(db, conversation, first_id, sender, text, mail.at, missed=missed)
    if new:
        held.keep_received(db, first_id, conversation, mail, to)
    if new and not mine:
        outbox.put_receipt(db, opened.account, first_id, now + int(RECEIPTS_WITHIN * 1000))
    return []


def _take_receipt(db: Database, opened: messages.Opened) -> list[ClientEvent]:
    me = own(db)
    ids = opened.content.get("ids")
    if opened.account == me.account or not isinstance(ids, list):
        return []
    told: list[ClientEvent] = []
    for id in ids[:MAX_IDS]:
        if not is_message_id(id) or not _went_to(db, me.device, id, opened.account):
            continue
        if store.set_mark(db, me.device, id, "delivered"):
            told.append(Mark(id, "delivered"))
    return told


def _went_to(db: Database, device: str, id: str, account: str) -> bool:
    """Whether that message was for this person: nobody else can say that it arrived."""
    row = db.one("SELECT 1 FROM messages WHERE device = ? AND id = ? AND conversation = ?", device, id, account)
    return row is not None
