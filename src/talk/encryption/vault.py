"""Where the key of a profile lies: in the computer's keyring, else under a passphrase, else in a file of its owner's.

Which way was taken stands in `key.json` beside the database, and is kept for good. An environment variable is not a
way: it would show in process lists and crash reports, and nobody could tell later where the key was.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta, Struct

from talk.encryption import database
from talk.encryption.errors import ProfileDamaged, ProfileLocked, ProfileTooNew, StorageFailed, WrongPassphrase
from talk.encryption.keychain import KeychainFailed, delete_secret, read_secret, write_secret
from talk.protocol.ids import decode64, encode64, random_id

FILE = "key.json"
SERVICE = "TAlk"
TRIES = 3
VERSION = 1
# Unlocking may mean that a person types a password into a dialog of the system's; a first try should not be held up.
NEW_WITHIN = 20.0  # seconds
UNLOCK_WITHIN = 120.0  # seconds
MAX_PASSPHRASE = 1024  # code points
_PURPOSE = b"talk profile key 1"

ASK = "Passphrase of this profile: "
ASK_NEW = "Choose a passphrase that protects your messages on this computer (leave it empty for none): "
ASK_AGAIN = "The same passphrase once more: "
NOT_THE_SAME = "The two were not the same. Please try again."
UNPROTECTED = (
    "This computer has no keyring that TAlk can use, and no passphrase was chosen. Whoever can read the files of your "
    "user account can read your messages; the key lies in {path}."
)

Ask = Callable[[str], str | None]
Warn = Callable[[str], None]
_Base64 = Annotated[str, Meta(max_length=128)]


class _Way(Struct, frozen=True, tag_field="way"):
    """One way to keep the key. Its fields may be secret, so it never prints them."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class _Keyring(_Way, frozen=True, tag="keyring"):
    entry: Annotated[str, Meta(max_length=64)]
    version: int = VERSION


class _Passphrase(_Way, frozen=True, tag="passphrase"):
    """Argon2id (RFC 9106) with its second recommended parameters; the bounds keep a strange file from eating memory."""

    salt: _Base64
    nonce: _Base64
    wrapped: _Base64
    memory_kib: Annotated[int, Meta(ge=8 * 1024, le=1024 * 1024)] = 64 * 1024
    passes: Annotated[int, Meta(ge=1, le=32)] = 3
    lanes: Annotated[int, Meta(ge=1, le=16)] = 4
    version: int = VERSION


class _File(_Way, frozen=True, tag="file"):
    key: _Base64
    version: int = VERSION


_way: msgspec.json.Decoder[_Keyring | _Passphrase | _File] = msgspec.json.Decoder(_Keyring | _Passphrase | _File)


def open_key(folder: Path, ask_passphrase: Ask | None, warn: Warn) -> bytes:
    """The 32-byte key of the profile in `folder`; a new one where there is no profile yet. Hold the profile's lock.

    `ask_passphrase` shows its argument and returns what was typed, None or "" for nothing; None where nobody can be
    asked. `warn` shows a sentence. May wait for a person at the system's keyring, for at most two minutes.
    Errors: ProfileLocked, WrongPassphrase, ProfileDamaged, ProfileTooNew, StorageFailed.
    """
    try:
        data = (folder / FILE).read_bytes()
    except FileNotFoundError:
        if (folder / database.FILE).exists():
            raise ProfileLocked(f"The file {FILE}, which belongs to it, is missing; put it back.") from None
        return _new_key(folder, ask_passphrase, warn)
    except OSError as error:
        raise StorageFailed(error.strerror or "cannot read the key file") from error
    match _read(data):
        case _Keyring(entry=entry):
            return _from_keyring(entry)
        case _Passphrase() as way:
            return _from_passphrase(way, ask_passphrase)
        case _File(key=key):
            return _key(key)


def forget_key(folder: Path) -> None:
    """Make the profile in `folder` unreadable for ever: remove its key from wherever it lies. Hold no lock.

    A keyring that does not answer keeps a key that opens nothing any more once the folder is gone.
    Errors: StorageFailed.
    """
    path = folder / FILE
    try:
        way = _read(path.read_bytes())
        path.unlink()
    except FileNotFoundError:
        return
    except (ProfileDamaged, ProfileTooNew):
        way = None
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(error.strerror or "cannot remove the key file") from error
    if isinstance(way, _Keyring):
        with contextlib.suppress(KeychainFailed):
            delete_secret(SERVICE, way.entry, NEW_WITHIN)


def _new_key(folder: Path, ask: Ask | None, warn: Warn) -> bytes:
    key = secrets.token_bytes(database.KEY_BYTES)
    way = _to_keyring(key) or _to_passphrase(key, ask, warn) or _File(encode64(key))
    if isinstance(way, _File):
        warn(UNPROTECTED.format(path=folder / FILE))
    _write(folder / FILE, msgspec.json.format(msgspec.json.encode(way), indent=2))
    return key


def _to_keyring(key: bytes) -> _Keyring | None:
    entry = random_id()
    try:
        write_secret(SERVICE, entry, encode64(key), NEW_WITHIN)
    except KeychainFailed:
        return None
    return _Keyring(entry)


def _from_keyring(entry: str) -> bytes:
    try:
        secret = read_secret(SERVICE, entry, UNLOCK_WITHIN)
    except KeychainFailed:
        raise ProfileLocked("Unlock the keyring of your computer and start TAlk again.") from None
    if secret is None:
        raise ProfileLocked("Its key is not in the keyring of this computer and user. Was the profile copied here?")
    return _key(secret)


def _to_passphrase(key: bytes, ask: Ask | None, warn: Warn) -> _Passphrase | None:
    if ask is None:
        return None
    for _ in range(TRIES):
        passphrase = ask(ASK_NEW)
        if not passphrase:
            return None
        if ask(ASK_AGAIN) == passphrase:
            return _wrap(key, passphrase)
        warn(NOT_THE_SAME)
    raise WrongPassphrase


def _from_passphrase(way: _Passphrase, ask: Ask | None) -> bytes:
    if ask is None:
        raise ProfileLocked("It needs its passphrase; start TAlk where you can type it.")
    for _ in range(TRIES):
        passphrase = ask(ASK)
        if not passphrase:
            raise ProfileLocked("It needs its passphrase.")
        with contextlib.suppress(InvalidTag):
            return _unwrap(way, passphrase)
    raise WrongPassphrase


def _wrap(key: bytes, passphrase: str) -> _Passphrase:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    empty = _Passphrase(encode64(salt), encode64(nonce), "")
    wrapped = ChaCha20Poly1305(_stretch(empty, passphrase)).encrypt(nonce, key, _PURPOSE)
    return msgspec.structs.replace(empty, wrapped=encode64(wrapped))


def _unwrap(way: _Passphrase, passphrase: str) -> bytes:
    cipher = ChaCha20Poly1305(_stretch(way, passphrase))
    try:
        key = cipher.decrypt(decode64(way.nonce), decode64(way.wrapped), _PURPOSE)
    except ValueError:
        raise ProfileDamaged(FILE) from None
    return _key(encode64(key))


def _stretch(way: _Passphrase, passphrase: str) -> bytes:
    # Keyboards differ in how they compose the same letter.
    text = unicodedata.normalize("NFKC", passphrase[:MAX_PASSPHRASE]).encode("utf-8", "surrogatepass")
    try:
        kdf = Argon2id(
            salt=decode64(way.salt),
            length=32,
            iterations=way.passes,
            lanes=way.lanes,
            memory_cost=way.memory_kib,
        )
    except ValueError:
        raise ProfileDamaged(FILE) from None
    return kdf.derive(text)


def _key(text: str) -> bytes:
    try:
        key = decode64(text)
    except ValueError:
        raise ProfileDamaged("its key") from None
    if len(key) != database.KEY_BYTES:
        raise ProfileDamaged("its key")
    return key


def _read(data: bytes) -> _Keyring | _Passphrase | _File:
    try:
        way = _way.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ProfileDamaged(FILE) from None
    if way.version > VERSION:
        raise ProfileTooNew
    return way


def _write(path: Path, data: bytes) -> None:
    """Write a private file so that after a crash there is all of it or nothing."""
    half = path.with_suffix(".new")
    try:
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageFailed(error.strerror or "cannot write the key file") from error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
