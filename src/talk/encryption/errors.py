"""Every error that this package lets out. A program reads the class and its fields, a person reads `str()` of it.

EncryptionError
├ ProfileError            you: the profile on this device cannot be opened or used
│ ├ NoProfile             the database holds no identity yet
│ ├ ProfileExists         it holds one already
│ ├ ProfileLocked         its key is out of reach just now
│ ├ WrongPassphrase       the passphrase does not fit
│ ├ WrongKey              the key does not open the database
│ ├ ProfileDamaged        a file does not hold what was written to it
│ ├ ProfileTooNew         a newer TAlk has changed it
│ ├ ProfileInUse          another program has it open
│ └ StorageFailed         the disk refused, nothing was saved
├ SendError               you: this cannot be sealed yet
│ ├ ContentTooLong        it does not fit into one message
│ ├ NoSession             claim one-time keys of these devices first
│ └ NameMoved             a name belongs to another account than before: a person has to decide
└ PeerError               the peer, or the server in its name
  ├ UnknownDevice         query and learn the account's profile, then try once more
  ├ IdentityRefused       signatures or keys do not fit together
  │ └ DeviceListRolledBack
  ├ Undecryptable         a message cannot be opened
  ├ Replayed              a message that was opened before
  └ VerificationFailed    comparing keys does not go on: `code` says why
"""

from __future__ import annotations

from collections.abc import Sequence

from talk.protocol.keys import Device
from talk.protocol.text import printable

_NAME_SHOWN = 64


class EncryptionError(Exception):
    """The root of everything that talk.encryption raises on purpose."""


class ProfileError(EncryptionError):
    """The profile on this device cannot be opened or used."""


class NoProfile(ProfileError):
    def __init__(self) -> None:
        super().__init__("There is no profile here yet. Join with a link first.")


class ProfileExists(ProfileError):
    def __init__(self) -> None:
        super().__init__("There is a profile here already, so no new one was made. Nothing was changed.")


class ProfileLocked(ProfileError):
    """`reason` is a whole sentence that says what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Your profile is locked, and nothing in it was changed. {reason}")


class WrongPassphrase(ProfileError):
    def __init__(self) -> None:
        super().__init__(
            "The passphrase is not the right one, so your profile stays closed. Nothing is lost; please try again."
        )


class WrongKey(ProfileError):
    def __init__(self) -> None:
        super().__init__(
            "The key of this profile does not open its file: one of the two was replaced, or the start of the file is "
            "damaged. Nothing was changed. Put back both files from the same backup, or join again as somebody new."
        )


class ProfileDamaged(ProfileError):
    """`part` says which part of the profile, in words."""

    def __init__(self, part: str) -> None:
        super().__init__(
            f"Your profile is damaged: {part} does not hold what was written to it. Nothing more was changed. Put it "
            "back from a backup, or join again as somebody new."
        )


class ProfileTooNew(ProfileError):
    def __init__(self) -> None:
        super().__init__("A newer TAlk has used this profile. Nothing was changed; please update TAlk.")


class ProfileInUse(ProfileError):
    def __init__(self) -> None:
        super().__init__("Another TAlk has this profile open. Nothing was changed; close it and try again.")


class StorageFailed(ProfileError):
    """`reason` is the database's own short word for what went wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The disk did not take it ({reason}), so nothing was saved and nothing was sent. Look whether the disk is "
            "full or write-protected, then try again."
        )


class SendError(EncryptionError):
    """This cannot be sealed as things are. Nothing was changed."""


class ContentTooLong(SendError):
    """`length` and `limit` in bytes of the content's canonical JSON."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(
            f"This is too long for one message: {length} of at most {limit} bytes. Nothing was sent; please shorten it "
            "or send it in parts."
        )
        self.length = length
        self.limit = limit


class NoSession(SendError):
    """Claim a one-time key of each of `devices`, give it to `sessions.start_session`, and seal again."""

    def __init__(self, devices: Sequence[Device]) -> None:
        super().__init__("There is no open line to their device yet. Nothing was sent; TAlk opens one by itself.")
        self.devices = tuple(devices)


class NameMoved(SendError):
    """The name was pinned to account `old` and is now shown for account `new`. Clear it with `names.accept_name`."""

    def __init__(self, name: str, old: str, new: str) -> None:
        shown = printable(name)[:_NAME_SHOWN]
        super().__init__(
            f"The name {shown} now belongs to somebody with other keys than before. Nothing was sent. Ask them in "
            "person whether they joined anew, and accept the change only then; somebody else may be posing as them."
        )
        self.name = name
        self.old = old
        self.new = new


class PeerError(EncryptionError):
    """What the peer sent, or the server showed in its name, is not to be relied on. Nothing of it was taken."""


class UnknownDevice(PeerError):
    """No pinned keys for this device of this account, or it is not on the account's newest known device list.

    Query the account's profile, `contacts.learn` it and try once more; if this comes again, the device is not theirs.
    """

    def __init__(self, account: str, device: str) -> None:
        super().__init__("This device is not known as one of theirs. Nothing was sent to it or taken from it.")
        self.account = account
        self.device = device


class IdentityRefused(PeerError):
    """`account` is whose keys were shown; `detail` says what does not fit, as a whole sentence."""

    def __init__(self, account: str, detail: str) -> None:
        super().__init__(
            "The server showed keys for this person that cannot be trusted. They were not taken, and what you knew "
            f"before still counts. {detail}"
        )
        self.account = account
        self.detail = detail


class DeviceListRolledBack(IdentityRefused):
    """The list of devices has version `shown`, lower than version `known` that was seen before."""

    def __init__(self, account: str, known: int, shown: int) -> None:
        super().__init__(account, f"The list of devices is version {shown}, and version {known} was seen before.")
        self.known = known
        self.shown = shown


class Undecryptable(PeerError):
    """`reason` is a short fixed phrase that holds nothing of the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"A private message could not be opened ({reason}). Their device is asked to send it again.")
        self.reason = reason


class Replayed(PeerError):
    """Message `id` of this device was opened before. Acknowledge it and show nothing."""

    def __init__(self, device: str, id: str) -> None:
        super().__init__("This message had arrived before. It is shown only once.")
        self.device = device
        self.id = id


class VerificationFailed(PeerError):
    """`code` is Matrix's, and is sent to the other side."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Comparing keys did not go as it should ({code}), and was ended. Nothing has changed.")
        self.code = code
