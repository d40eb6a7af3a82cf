"""Comparing keys with somebody by seven emoji: Matrix's `m.sas.v1`, from `start` to the last MAC.

    the one that starts      start ─▶          key ─▶          mac ─▶
    the other                      ◀─ accept          ◀─ key          ◀─ mac

`accept` carries a hash of the other's key, so that neither side can choose its key by the other's: who stands in the
middle has one try of 2^-42. The MACs bind the keys of device and account to what was compared. An account is the hash
of its master key, so the ids in the emoji bind it too.

A `Verification` lives in memory only: its ephemeral key is used once.
Source: Matrix client-server API, "Short Authentication String (SAS) verification"; ZRTP, RFC 6189 section 4.4.1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from vodozemac import Curve25519PublicKey, EstablishedSas, KeyException, Sas, SasException

from talk.encryption import contacts, verification_messages
from talk.encryption.database import Database
from talk.encryption.errors import VerificationFailed
from talk.encryption.identity import public_identity
from talk.encryption.own import own
from talk.encryption.sas_emoji import SAS_EMOJI
from talk.encryption.verification_messages import (
    AGREEMENT,
    HASH,
    INVALID_MESSAGE,
    KEY_MISMATCH,
    MAC_METHOD,
    MISMATCHED_COMMITMENT,
    SAS,
    STRINGS,
    UNEXPECTED_MESSAGE,
    UNKNOWN_METHOD,
    Accept,
    KeyMessage,
    Mac,
    Start,
    VerificationMessage,
    read,
    without_own_fields,
)
from talk.protocol.ids import account_id, decode64, encode64
from talk.protocol.keys import canonical


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two devices. Keys in unpadded base64; `master` is "" for the other side, whose account is its hash."""

    account: str
    device: str
    ed25519: str
    master: str = ""


class _Step(Enum):
    AGREED = auto()
    STARTED = auto()  # start is sent
    ACCEPTED = auto()  # accept is sent
    KEYED = auto()  # the key is sent, after their accept
    SHOWN = auto()  # both have both keys
    OVER = auto()  # something did not fit


def own_side(db: Database) -> Side:
    """This device. Errors: NoProfile."""
    me = own(db)
    master = next(iter(public_identity(db).master_key.keys.values()))
    return Side(me.account, me.device, me.ed25519, master)


def their_side(db: Database, account: str, device: str) -> Side:
    """A pinned device of a contact. Errors: UnknownDevice."""
    return Side(account, device, contacts.peer(db, account, device).device.ed25519)


class Verification:
    """One run between two devices that have agreed to compare.

    `take` gives what to answer to a message of exactly that device. After an error it is over: nothing more is taken.
    """

    def __init__(self, us: Side, them: Side, transaction: str) -> None:
        self._us, self._them, self._transaction = us, them, transaction
        self._step = _Step.AGREED
        self._sas = Sas()
        self._our_key = self._sas.public_key.to_base64()
        self._we_started = False
        self._start = b""
        self._commitment = ""
        self._established: EstablishedSas | None = None
        self._confirmed = self._checked = False
        self.emoji: tuple[tuple[str, str], ...] = ()
        self.numbers: tuple[int, int, int] = (0, 0, 0)

    def __repr__(self) -> str:
        return f"<Verification {self._step.name}>"

    @property
    def is_shown(self) -> bool:
        """Whether `emoji` (with English names) and `numbers`, the same in digits, are there to be compared."""
        return self._step is _Step.SHOWN

    @property
    def is_confirmed(self) -> bool:
        """Whether the person here has said that they are the same."""
        return self._confirmed

    @property
    def is_verified(self) -> bool:
        """Whether they have, and the other side's keys are those that are pinned here."""
        return self._confirmed and self._checked

    def start(self) -> VerificationMessage:
        """Begin; the other side may do so at the same time."""
        self._expect(_Step.AGREED)
        content = {
            "transaction_id": self._transaction,
            "from_device": self._us.device,
            "method": SAS,
            "key_agreement_protocols": [AGREEMENT],
            "hashes": [HASH],
            "message_authentication_codes": [MAC_METHOD],
            "short_authentication_string": list(STRINGS),
        }
        self._start, self._we_started, self._step = canonical(content), True, _Step.STARTED
        return VerificationMessage(verification_messages.START, content)

    def take(self, kind: str, content: dict[str, Any]) -> list[VerificationMessage]:
        """What to answer to this message of the other device. Errors: VerificationFailed, with the code to send."""
        try:
            return self._take(kind, content)
        except VerificationFailed:
            self._step = _Step.OVER
            raise

    def _take(self, kind: str, content: dict[str, Any]) -> list[VerificationMessage]:
        match kind:
            case verification_messages.START:
                return self._take_start(read(Start, content), without_own_fields(content))
            case verification_messages.ACCEPT:
                return self._take_accept(read(Accept, content))
            case verification_messages.KEY:
                return self._take_key(read(KeyMessage, content).key)
            case verification_messages.MAC:
                return self._take_mac(read(Mac, content))
            case verification_messages.DONE:
                return []  # the MACs have said it
            case _:
                raise VerificationFailed(UNEXPECTED_MESSAGE)

    def confirm(self) -> list[VerificationMessage]:
        """The person says that the emoji are the same. Errors: VerificationFailed before they are shown, or twice."""
        self._expect(_Step.SHOWN)
        if self._confirmed:
            raise VerificationFailed(UNEXPECTED_MESSAGE)
        self._confirmed = True
        keys = {f"ed25519:{self._us.device}": self._us.ed25519, f"ed25519:{self._us.master}": self._us.master}
        mac = {name: self._mac(self._us, self._them, name, key) for name, key in keys.items()}
        names = self._mac(self._us, self._them, "KEY_IDS", ",".join(sorted(keys)))
        return [self._message(verification_messages.MAC, mac=mac, keys=names), *self._done()]

    # ---- what comes

    def _take_start(self, start: Start, content: dict[str, Any]) -> list[VerificationMessage]:
        if start.from_device != self._them.device:
            raise VerificationFailed(INVALID_MESSAGE)
        if self._we_started:
            if start.method != SAS:
                raise VerificationFailed(UNEXPECTED_MESSAGE)
            # Both have started: the one with the smaller id goes on, the other's is as if it had never been.
            if (self._us.account, self._us.device) < (self._them.account, self._them.device):
                return []
        self._expect(_Step.STARTED if self._we_started else _Step.AGREED)
        strings = [string for string in STRINGS if string in start.short_authentication_string]
        if not (
            start.method == SAS
            and AGREEMENT in start.key_agreement_protocols
            and HASH in start.hashes
            and MAC_METHOD in start.message_authentication_codes
            and strings
        ):
            raise VerificationFailed(UNKNOWN_METHOD)
        self._start, self._we_started, self._step = canonical(content), False, _Step.ACCEPTED
        accept = self._message(
            verification_messages.ACCEPT,
            method=SAS,
            key_agreement_protocol=AGREEMENT,
            hash=HASH,
            message_authentication_code=MAC_METHOD,
            short_authentication_string=strings,
            commitment=self._commitment_to(self._our_key),
        )
        return [accept]

    def _take_accept(self, accept: Accept) -> list[VerificationMessage]:
        self._expect(_Step.STARTED)
        chosen = (accept.key_agreement_protocol, accept.hash, accept.message_authentication_code)
        strings = accept.short_authentication_string
        if chosen != (AGREEMENT, HASH, MAC_METHOD) or not strings or not set(strings) <= set(STRINGS):
            raise VerificationFailed(UNKNOWN_METHOD)
        self._commitment, self._step = accept.commitment, _Step.KEYED
        return [self._message(verification_messages.KEY, key=self._our_key)]

    def _take_key(self, key: str) -> list[VerificationMessage]:
        if self._step is _Step.KEYED:
            if self._commitment_to(key) != self._commitment:
                raise VerificationFailed(MISMATCHED_COMMITMENT)
            self._establish(key)
            return []
        self._expect(_Step.ACCEPTED)
        self._establish(key)
        return [self._message(verification_messages.KEY, key=self._our_key)]

    def _take_mac(self, mac: Mac) -> list[VerificationMessage]:
        self._expect(_Step.SHOWN)
        if self._checked:
            raise VerificationFailed(UNEXPECTED_MESSAGE)
        self._check(mac)
        self._checked = True
        return self._done()

    # ---- what is computed

    def _establish(self, their_key: str) -> None:
        try:
            established = self._sas.diffie_hellman(Curve25519PublicKey.from_base64(their_key))
        except (KeyException, SasException):
            raise VerificationFailed(INVALID_MESSAGE) from None
        ours = f"{self._us.account}|{self._us.device}|{self._our_key}"
        theirs = f"{self._them.account}|{self._them.device}|{their_key}"
        first, second = (ours, theirs) if self._we_started else (theirs, ours)
        shown = established.bytes(f"MATRIX_KEY_VERIFICATION_SAS|{first}|{second}|{self._transaction}")
        self.emoji = tuple(SAS_EMOJI[number][:2] for number in shown.emoji_indices)
        self.numbers = shown.decimals
        self._established, self._step = established, _Step.SHOWN

    def _check(self, mac: Mac) -> None:
        """Their device's key, and the key that their account is the hash of, are those that they have themselves."""
        self._check_mac("KEY_IDS", ",".join(sorted(mac.mac)), mac.keys)
        device_name = f"ed25519:{self._them.device}"
        masters = [name for name in mac.mac if self._is_their_master(name)]
        if device_name not in mac.mac or not masters:
            raise VerificationFailed(KEY_MISMATCH)
        self._check_mac(device_name, self._them.ed25519, mac.mac[device_name])
        # A name that is neither is a key of theirs that this side does not know: Matrix passes over it.
        self._check_mac(masters[0], masters[0].removeprefix("ed25519:"), mac.mac[masters[0]])

    def _is_their_master(self, name: str) -> bool:
        try:
            master = decode64(name.removeprefix("ed25519:"))
        except ValueError:
            return False
        server = self._them.account.rpartition(":")[2]
        return name.startswith("ed25519:") and account_id(master, server) == self._them.account

    def _mac(self, sender: Side, receiver: Side, name: str, what: str) -> str:
        assert self._established is not None
        return self._established.calculate_mac(what, self._info(sender, receiver, name))

    def _check_mac(self, name: str, what: str, mac: str) -> None:
        assert self._established is not None
        try:
            self._established.verify_mac(what, self._info(self._them, self._us, name), mac)
        except SasException:
            raise VerificationFailed(KEY_MISMATCH) from None

    def _info(self, sender: Side, receiver: Side, name: str) -> str:
        ids = f"{sender.account}{sender.device}{receiver.account}{receiver.device}"
        return f"MATRIX_KEY_VERIFICATION_MAC{ids}{self._transaction}{name}"

    def _commitment_to(self, key: str) -> str:
        return encode64(hashlib.sha256(key.encode() + self._start).digest())

    def _done(self) -> list[VerificationMessage]:
        return [self._message(verification_messages.DONE)] if self.is_verified else []

    def _message(self, kind: str, **fields: object) -> VerificationMessage:
        return VerificationMessage(kind, {"transaction_id": self._transaction, **fields})

    def _expect(self, step: _Step) -> None:
        if self._step is not step:
            raise VerificationFailed(UNEXPECTED_MESSAGE)
