"""Every error that one side can answer the other with: a code for programs, a sentence for people.

    Refused            a command was understood and not carried out; nothing of it happened
    └ Malformed        a frame that is not a command at all

A sentence says what happened, whether anything was lost, and what to do.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The error codes of the protocol; `docs/protocol.md` lists them with their sentences."""

    # frames
    MALFORMED = "malformed"
    UNKNOWN_COMMAND = "unknown_command"
    BAD_REQUEST = "bad_request"
    TOO_MANY = "too_many"
    TRY_AGAIN = "try_again"
    STOPPING = "stopping"
    # handshake and login
    UNSUPPORTED_VERSION = "unsupported_version"
    WRONG_SERVER = "wrong_server"
    HELLO_FIRST = "hello_first"
    LOGIN_FIRST = "login_first"
    ALREADY_LOGGED_IN = "already_logged_in"
    TOO_SLOW = "too_slow"
    BAD_PROOF = "bad_proof"
    BAD_IDENTITY = "bad_identity"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_DEVICE = "unknown_device"
    BANNED = "banned"
    KICKED = "kicked"
    REPLACED = "replaced"
    NEW_EPOCH = "new_epoch"
    INVITE_NEEDED = "invite_needed"
    INVITE_INVALID = "invite_invalid"
    # names
    NAME_INVALID = "name_invalid"
    NAME_RESERVED = "name_reserved"
    NAME_TAKEN = "name_taken"
    # messages
    TEXT_EMPTY = "text_empty"
    TEXT_TOO_LONG = "text_too_long"
    TEXT_FORBIDDEN = "text_forbidden"
    STARTS_WITH_AT = "starts_with_at"
    UNKNOWN_ROOM = "unknown_room"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    TO_YOURSELF = "to_yourself"
    DEVICES_CHANGED = "devices_changed"
    OLD_DEVICE_LIST = "old_device_list"
    ID_REUSED = "id_reused"
    MAILBOX_FULL = "mailbox_full"


SENTENCES: dict[Code, str] = {
    Code.MALFORMED: "This is not a TAlk frame: {detail}. It was ignored.",
    Code.UNKNOWN_COMMAND: "This server does not know the command {detail!r}. Nothing happened; it may need a newer TAlk.",
    Code.BAD_REQUEST: "The command is not complete or not of the right form: {detail}. Nothing happened.",
    Code.TOO_MANY: "Too much at once: at most {limit} commands, of 2 MB together, may wait. What was acknowledged is safe; "
    "connect again and send the rest.",
    Code.TRY_AGAIN: "The server could not save that just now. It is not lost if you send it again; clients do so by themselves.",
    Code.STOPPING: "The server is stopping. Everything it acknowledged is saved; clients come back by themselves.",
    Code.UNSUPPORTED_VERSION: "This server speaks version {detail} of the protocol. Please update TAlk.",
    Code.WRONG_SERVER: "This is another server than the one you asked for. Nothing was sent; check the link.",
    Code.HELLO_FIRST: "A connection starts with hello.",
    Code.LOGIN_FIRST: "Please log in first. Nothing happened.",
    Code.ALREADY_LOGGED_IN: "This connection is already logged in.",
    Code.TOO_SLOW: "The login took too long. Please connect again.",
    Code.BAD_PROOF: "The login's signature does not fit this connection and device, so it was refused.",
    Code.BAD_IDENTITY: "The keys that were shown do not fit together: {detail}. Nothing was saved.",
    Code.UNKNOWN_ACCOUNT: "This server does not know that account. It may have been restored from an old backup, or the "
    "account was removed; join again with a link.",
    Code.UNKNOWN_DEVICE: "This device is not on its account's list of devices. Add it from a device that is.",
    Code.BANNED: "The owner of this server has banned this account. Messages on your device are kept.",
    Code.KICKED: "The owner of this server ended your connection. You can join again.",
    Code.REPLACED: "This profile connected again from elsewhere, so this connection was closed. Nothing is lost.",
    Code.NEW_EPOCH: "The server was set back to an earlier state. Clients read again what it still has; what you see on "
    "your device stays there.",
    Code.INVITE_NEEDED: "A new name needs an invitation here. Ask somebody for a fresh link.",
    Code.INVITE_INVALID: "This invitation has expired, was used up or was taken back. Nothing was saved; ask for a fresh link.",
    Code.NAME_INVALID: "This name cannot be used: {detail}.",
    Code.NAME_RESERVED: "The name {name} is reserved, so that nobody can pretend to be the chat itself. Please choose another.",
    Code.NAME_TAKEN: "The name {name} is taken, or looks too much like a name that is. If that is you on another device, "
    "use TAlk there or choose a second name here; names belong to the device's key.",
    Code.TEXT_EMPTY: "There is nothing to send.",
    Code.TEXT_TOO_LONG: "The text is too long: {length} of at most {limit}. Nothing was sent; please shorten it or send it in parts.",
    Code.TEXT_FORBIDDEN: "The text holds invisible control characters, so it was not sent.",
    Code.STARTS_WITH_AT: "A line that starts with @ is private and is never sent to a room. Nothing was sent.",
    Code.UNKNOWN_ROOM: "There is no such room here. Nothing was sent.",
    Code.UNKNOWN_RECIPIENT: "Nobody here is called that. Nothing was sent.",
    Code.TO_YOURSELF: "That is you. Nothing was sent.",
    Code.DEVICES_CHANGED: "Their devices have changed. Nothing was sent; clients seal it again by themselves.",
    Code.OLD_DEVICE_LIST: "A newer list of devices is already known. Nothing was changed.",
    Code.ID_REUSED: "This id was used before for another message. Nothing was sent.",
    Code.MAILBOX_FULL: "Their mailbox is full until they come back. Nothing was sent; please try again later.",
}

RETRYABLE = frozenset(
    {Code.TOO_MANY, Code.TRY_AGAIN, Code.STOPPING, Code.MAILBOX_FULL, Code.TOO_SLOW, Code.DEVICES_CHANGED}
)


class Refused(Exception):
    """A command that is not carried out.

    `code` tells a program why; `str()` of it tells a person. `retryable` says whether the same may work later.
    `suggestions` are names that would have been free.
    """

    def __init__(self, code: Code, /, *, suggestions: tuple[str, ...] = (), **words: object) -> None:
        super().__init__(SENTENCES[code].format(**words))
        self.code = code
        self.suggestions = suggestions

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE


class Malformed(Refused):
    """Bytes that are not a frame of this protocol."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.MALFORMED, detail=detail)
        self.detail = detail
