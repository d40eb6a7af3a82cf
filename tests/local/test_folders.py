"""Folders that only their owner can look into."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from talk.local.errors import FolderError
from talk.local.folders import make_private, profiles_folder, server_folder, write_private

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
as_root = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o077], ids=["umask 000", "umask 022", "umask 077"])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_server_and_profiles_live_apart_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform not in ("win32", "darwin"):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert server_folder() == tmp_path / "talk" / "server"
    assert server_folder().parent == profiles_folder().parent
    assert server_folder() != profiles_folder()


@posix
def test_the_folder_and_the_parents_it_lacks_are_closed(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    make_private(folder)
    make_private(folder)
    assert [mode(path) for path in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3


@posix
def test_an_empty_open_folder_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    make_private(folder)
    assert mode(folder) == 0o700


@posix
@pytest.mark.parametrize("bits", [0o755, 0o750, 0o1777, 0o701])
def test_an_open_folder_in_use_is_left_alone(tmp_path: Path, bits: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "somebody's file").touch()
    folder.chmod(bits)
    with pytest.raises(FolderError, match="chmod 700"):
        make_private(folder)
    assert mode(folder) == bits


@posix
def test_a_closed_folder_in_use_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    make_private(folder)
    (folder / "file").touch()
    make_private(folder)
    assert mode(folder) == 0o700


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(FolderError, match="is a file"):
        make_private(file)
    with pytest.raises(FolderError, match="cannot use"):
        make_private(file / "below")


@as_root
def test_the_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(FolderError, match="another user"):
        make_private(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no folders, not even from root")
def test_a_place_that_takes_no_folder_is_named() -> None:
    with pytest.raises(FolderError, match="/proc/talk"):
        make_private(Path("/proc/talk"))


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old and longer")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    if sys.platform != "win32":
        assert mode(path) == 0o600


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "key"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError):
        write_private(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
