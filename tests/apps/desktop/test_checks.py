"""Why no window can be shown, in a process that really lacks what is said, with the very command that helps."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

LACKING = """
import sys

class Lacking:
    def __init__(self, names):
        self.names = names
    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

names = sys.argv[1].split(",")
if "find_spec finds none" in names:
    import importlib.util
    there = importlib.util.find_spec
    importlib.util.find_spec = lambda name: None if name in names else there(name)
sys.meta_path.insert(0, Lacking(names))
"""
X11_PORT = 6000  # of display 0
COARSE = """
import types

class TclError(Exception):
    pass

class Tk:
    tk = types.SimpleNamespace(call=lambda *words: "x11" if words == ("::tk::pkgconfig", "get", "fontsystem") else "")
    def withdraw(self): pass
    def destroy(self): pass

sys.modules["tkinter"] = types.SimpleNamespace(Tk=Tk, TclError=TclError)
"""
ASK = "from talk.apps.desktop.checks import missing\nsys.stdout.write(missing())"


def programs(folder: Path, *names: str) -> str:
    """A PATH with nothing but these programs on it."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


def asked(code: str, path: str, lacking: str = "", **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LACKING + code + ASK, lacking],
        env={**kept, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    return done.stdout


VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("apt-get", "sudo apt install python3-tk"),
        ("dnf", "sudo dnf install python3-tkinter"),
        ("pacman", "sudo pacman -S tk"),
        ("zypper", f"sudo zypper install python{VERSION.replace('.', '')}-tk"),
        ("brew", f"brew install python-tk@{VERSION}"),
        ("other", "install the package for tkinter of your system"),
    ],
)
@pytest.mark.parametrize("lacking", ["tkinter", "_tkinter"])
def test_without_tkinter(tmp_path: Path, program: str, command: str, lacking: str) -> None:
    said = asked("", programs(tmp_path / "bin", program), lacking, DISPLAY=":0")
    assert said == f"This Python has no tkinter, which the window needs. To get it: {command}"


@pytest.mark.parametrize("lacking", ["customtkinter", "PIL"])
def test_without_the_packages_of_the_window(tmp_path: Path, lacking: str) -> None:
    said = asked("", programs(tmp_path / "bin"), f"find_spec finds none,{lacking}", DISPLAY=":0")
    assert said == 'The window needs some more packages. To get them: pip install ".[desktop]", in the folder of TAlk'


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these have a display always")
class TestDisplays:
    def test_none(self, tmp_path: Path) -> None:
        said = asked("", programs(tmp_path / "bin"))
        assert said == "There is no display here (DISPLAY is not set), so no window can be shown."

    @pytest.mark.parametrize(
        ("program", "command"),
        [
            ("apt-get", "sudo apt install xwayland"),
            ("dnf", "sudo dnf install xorg-x11-server-Xwayland"),
            ("pacman", "sudo pacman -S xorg-xwayland"),
            ("zypper", "sudo zypper install xwayland"),
            ("brew", "install the package for Xwayland of your system"),
        ],
    )
    def test_wayland_alone(self, tmp_path: Path, program: str, command: str) -> None:
        said = asked("", programs(tmp_path / "bin", program), WAYLAND_DISPLAY="wayland-0")
        assert said == f"The window needs X11, which Wayland has by Xwayland. To get it: {command}"

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        said = asked("", programs(tmp_path / "bin"), DISPLAY=":61234")
        assert said.startswith("The display :61234 cannot be used (")
        assert said.endswith("), so no window can be shown.")

    def test_one_that_accepts_and_never_answers(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as hung:
            port = hung.getsockname()[1]
            if port < X11_PORT:
                pytest.skip("no port that can be a display")
            display = f"127.0.0.1:{port - X11_PORT}"
            at_once = "from talk.apps.desktop import checks\nchecks.ANSWERS_WITHIN = 0.5\n"
            said = asked(at_once, programs(tmp_path / "bin"), DISPLAY=display)
        assert said == f"The display {display} does not answer, so no window can be shown."

    def test_coarse_letters(self, tmp_path: Path) -> None:
        said = asked(COARSE, programs(tmp_path / "bin", "apt-get"), DISPLAY=":0")
        assert "without Xft" in said
        assert said.endswith("Use the Python of your system instead, with its Tk: sudo apt install python3-tk")

    def test_smooth_letters(self, tmp_path: Path) -> None:
        assert asked(COARSE.replace('"x11"', '"xft"'), programs(tmp_path / "bin"), DISPLAY=":0") == ""

    def test_a_tk_that_does_not_say_is_good_enough(self, tmp_path: Path) -> None:
        silent = COARSE.replace(
            "call=lambda *words:", "call=lambda *words: (_ for _ in ()).throw(TclError()) if 1 else"
        )
        assert asked(silent, programs(tmp_path / "bin"), DISPLAY=":0") == ""


# ---- talk alone


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    keyring = "keyring.backends.fail.Keyring"
    return {**kept, "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": keyring}


def test_behind_a_pipe_talk_alone_shows_its_help(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "talk"],
        env=environment(tmp_path),
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout.startswith("usage: talk")
    assert done.stderr == "talk: There is no display here (DISPLAY is not set), so no window can be shown.\n"
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_in_a_terminal_talk_alone_goes_on_there(tmp_path: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "talk"],
        env=environment(tmp_path),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    seen = b""
    try:
        while b"link" not in seen.lower().partition(b"terminal instead")[2]:
            seen += os.read(leader, 4096)
    finally:
        process.kill()
        process.wait(60)
        os.close(leader)
    assert b"DISPLAY is not set" in seen
    assert b"usage" not in seen
