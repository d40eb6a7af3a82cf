from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest

from talk.encryption import database, vault
from talk.encryption.errors import ProfileDamaged, ProfileLocked, ProfileTooNew, StorageFailed, WrongPassphrase

# A program that opens a profile's key with a keyring of the given kind, and prints what happened.
PROGRAM = """
import json, pathlib, sys, threading
import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked
from talk.encryption import vault
from talk.encryption.errors import EncryptionError

folder, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
store = folder / "keyring.json"

class Files(KeyringBackend):
    priority = 1
    def entries(self):
        return json.loads(store.read_text()) if store.exists() else {}
    def set_password(self, service, username, password):
        store.write_text(json.dumps({**self.entries(), service + "/" + username: password}))
    def get_password(self, service, username):
        return self.entries().get(service + "/" + username)
    def delete_password(self, service, username):
        store.write_text(json.dumps({k: v for k, v in self.entries().items() if k != service + "/" + username}))

class Forgetful(Files):
    def set_password(self, service, username, password): pass

class Locked(Files):
    def set_password(self, service, username, password): raise KeyringLocked("closed")
    def get_password(self, service, username): raise KeyringLocked("closed")

class Strange(Files):
    def set_password(self, service, username, password): raise OSError("D-Bus went away")
    def get_password(self, service, username): raise OSError("D-Bus went away")

class Hanging(Files):
    def set_password(self, service, username, password): threading.Event().wait()
    def get_password(self, service, username): threading.Event().wait()

class Mangling(Files):
    def get_password(self, service, username): return (super().get_password(service, username) or "")[:-4]

if kind == "null":
    from keyring.backends.null import Keyring
    keyring.set_keyring(Keyring())
elif kind == "fail":
    from keyring.backends.fail import Keyring
    keyring.set_keyring(Keyring())
else:
    keyring.set_keyring(globals()[kind]())

vault.NEW_WITHIN = vault.UNLOCK_WITHIN = 0.5
warnings = []
try:
    if sys.argv[3:] == ["forget"]:
        vault.forget_key(folder)
        key = "forgotten"
    else:
        key = vault.open_key(folder, None, warnings.append).hex()
except EncryptionError as error:
    key = type(error).__name__
print(json.dumps([key, len(warnings)]))
"""

Answers = Callable[[str], "str | None"]


def _run(folder: Path, kind: str, *more: str) -> tuple[str, int]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(folder), kind, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    key, warnings = json.loads(done.stdout)
    return key, warnings


def _way(folder: Path) -> str:
    return str(json.loads((folder / vault.FILE).read_text())["way"])


# ---- the keyring, each time in a program of its own


def test_the_keyring_keeps_the_key(tmp_path: Path) -> None:
    key, warnings = _run(tmp_path, "Files")
    assert (len(bytes.fromhex(key)), warnings) == (32, 0)
    assert _run(tmp_path, "Files") == (key, 0)
    assert _way(tmp_path) == "keyring"
    [(entry, kept)] = json.loads((tmp_path / "keyring.json").read_text()).items()
    assert entry.startswith("TAlk/")
    remembered = (tmp_path / vault.FILE).read_text()
    assert kept not in remembered
    assert key not in remembered


@pytest.mark.parametrize("kind", ["Files", "Hanging", "fail"])
def test_a_forgotten_key_is_gone_from_where_it_lay(tmp_path: Path, kind: str) -> None:
    _run(tmp_path, "Files" if kind != "fail" else "fail")
    assert _run(tmp_path, kind, "forget") == ("forgotten", 0)
    assert not (tmp_path / vault.FILE).exists()
    if kind == "Files":
        assert json.loads((tmp_path / "keyring.json").read_text()) == {}
    assert _run(tmp_path, kind, "forget") == ("forgotten", 0)


def test_two_profiles_have_entries_of_their_own(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    keys = {_run(first, "Files")[0], _run(second, "Files")[0]}
    assert len(keys) == 2
    assert (first / vault.FILE).read_text() != (second / vault.FILE).read_text()


@pytest.mark.parametrize("kind", ["null", "fail", "Forgetful", "Locked", "Strange", "Hanging", "Mangling"])
def test_a_keyring_that_does_not_keep_it_is_passed_over(tmp_path: Path, kind: str) -> None:
    key, warnings = _run(tmp_path, kind)
    assert (len(bytes.fromhex(key)), warnings) == (32, 1)
    assert _way(tmp_path) == "file"
    assert _run(tmp_path, "Files") == (key, 0), "the way that was taken is remembered"


@pytest.mark.parametrize("kind", ["null", "fail", "Locked", "Strange", "Hanging"])
def test_a_profile_whose_keyring_is_out_of_reach_is_locked(tmp_path: Path, kind: str) -> None:
    key, _ = _run(tmp_path, "Files")
    assert _run(tmp_path, kind) == ("ProfileLocked", 0)
    assert _run(tmp_path, "Files") == (key, 0)


def test_a_keyring_that_returns_something_else(tmp_path: Path) -> None:
    _run(tmp_path, "Files")
    assert _run(tmp_path, "Mangling") == ("ProfileDamaged", 0)


# ---- passphrase and file, where there is no keyring


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A profile's folder on a computer without a keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    yield tmp_path
    keyring.set_keyring(before)


class Person:
    """Who sits at the keyboard: answers in turn, and what was shown."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.warned: list[str] = []

    def ask(self, question: str) -> str | None:
        self.asked.append(question)
        return self.answers.pop(0)

    def open(self, folder: Path) -> bytes:
        return vault.open_key(folder, self.ask, self.warned.append)


def test_a_passphrase_opens_what_it_closed(folder: Path) -> None:
    person = Person("correct horse", "correct horse")
    key = person.open(folder)
    assert (len(key), person.asked, person.warned) == (32, [vault.ASK_NEW, vault.ASK_AGAIN], [])
    assert _way(folder) == "passphrase"
    again = Person("correct horse")
    assert (again.open(folder), again.asked) == (key, [vault.ASK])
    data = (folder / vault.FILE).read_bytes()
    for secret in (key.hex(), "correct horse"):
        assert secret.encode() not in data


def test_a_typing_mistake_gets_three_tries(folder: Path) -> None:
    key = Person("right", "right").open(folder)
    assert Person("wrong", "Right", "right").open(folder) == key
    person = Person("wrong", "wrong", "wrong", "right")
    with pytest.raises(WrongPassphrase):
        person.open(folder)
    assert person.answers == ["right"]


def test_letters_may_be_composed_in_two_ways(folder: Path) -> None:
    key = Person("caf\u00e9", "caf\u00e9").open(folder)
    assert Person("cafe\u0301").open(folder) == key


def test_a_new_passphrase_is_typed_twice(folder: Path) -> None:
    person = Person("one", "two", "three", "three")
    key = person.open(folder)
    assert person.warned == [vault.NOT_THE_SAME]
    assert Person("three").open(folder) == key


def test_a_passphrase_that_never_agrees_saves_nothing(folder: Path) -> None:
    with pytest.raises(WrongPassphrase):
        Person("a", "b", "c", None, "e", "f").open(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("nothing", ["", None])
def test_without_a_passphrase_an_existing_profile_stays_closed(folder: Path, nothing: str | None) -> None:
    Person("secret", "secret").open(folder)
    with pytest.raises(ProfileLocked):
        Person(nothing).open(folder)
    with pytest.raises(ProfileLocked, match="where you can type it"):
        vault.open_key(folder, None, _no_warning)


@pytest.mark.parametrize("nothing", ["", None])
def test_nobody_wants_a_passphrase(folder: Path, nothing: str | None) -> None:
    person = Person(nothing)
    key = person.open(folder)
    assert len(person.warned) == 1
    assert str(folder / vault.FILE) in person.warned[0]
    assert Person().open(folder) == key
    assert _way(folder) == "file"


@pytest.mark.parametrize("answers", [("p", "p"), ("",)])
def test_the_key_file_is_private_and_nothing_is_left_beside_it(folder: Path, answers: tuple[str, ...]) -> None:
    before = os.umask(0)
    try:
        Person(*answers).open(folder)
    finally:
        os.umask(before)
    [file] = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_environment_is_no_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TALK_KEY", "TALK_PASSPHRASE", "PASSPHRASE"):
        monkeypatch.setenv(name, "secret")
    Person("secret", "secret").open(folder)
    with pytest.raises(ProfileLocked):
        vault.open_key(folder, None, _no_warning)


def test_a_database_without_its_key_file_gets_no_new_key(folder: Path) -> None:
    (folder / database.FILE).write_bytes(b"an encrypted database")
    with pytest.raises(ProfileLocked, match=r"key\.json"):
        Person("").open(folder)
    assert not (folder / vault.FILE).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b'{"way":"telepathy"}',
        b'{"way":"file"}',
        b'{"way":"file","key":"short"}',
        b'{"way":"file","key":"!!!"}',
        b'{"way":"passphrase","salt":"?","nonce":"","wrapped":""}',
        b'{"way":"passphrase","salt":"","nonce":"","wrapped":""}',
        b'{"way":"passphrase","salt":"AAAAAAAAAAAAAAAAAAAAAA","nonce":"AA","wrapped":"AAAA"}',
        b'{"way":"passphrase","salt":"AAAAAAAAAAAAAAAAAAAAAA","nonce":"?","wrapped":"AAAA"}',
        b'{"way":"passphrase","salt":"AAAAAAAAAAAAAAAAAAAAAA","nonce":"","wrapped":"","memory_kib":99999999}',
    ],
)
def test_a_damaged_key_file_is_said_plainly_and_kept(folder: Path, content: bytes) -> None:
    (folder / vault.FILE).write_bytes(content)
    with pytest.raises(ProfileDamaged):
        Person("a").open(folder)
    assert (folder / vault.FILE).read_bytes() == content


def test_a_key_file_of_a_newer_version(folder: Path) -> None:
    (folder / vault.FILE).write_bytes(b'{"way":"file","key":"","version":2}')
    with pytest.raises(ProfileTooNew):
        Person().open(folder)


def test_changed_parameters_open_nothing(folder: Path) -> None:
    Person("p", "p").open(folder)
    path = folder / vault.FILE
    parameters = json.loads(path.read_text())
    assert (parameters["memory_kib"], parameters["passes"], parameters["lanes"]) == (65536, 3, 4), "RFC 9106"
    path.write_text(json.dumps({**parameters, "passes": 1}))
    with pytest.raises(WrongPassphrase):
        Person("p", "p", "p").open(folder)


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    with pytest.raises(StorageFailed):
        Person("").open(folder / "gone")


def test_a_half_written_key_file_of_a_crash_is_no_key(folder: Path) -> None:
    (folder / "key.new").write_bytes(b'{"way":"fi')
    key = Person("").open(folder)
    assert Person().open(folder) == key


def _no_warning(text: str) -> None:
    raise AssertionError(text)
