"""The README's story in a real terminal: tmux types it, and reads the screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.online.processes import ENVIRONMENT, PATIENCE

pytestmark = [
    pytest.mark.online,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt install tmux"),
]
DEMO = Path(__file__).resolve().parent.parent.parent / "examples" / "demo.py"


class Terminal:
    """A tmux server of its own, with a window for each person."""

    def __init__(self, folder: Path) -> None:
        self._tmux = ("tmux", "-S", str(folder / "tmux"), "-f", os.devnull)
        self._environment = {**ENVIRONMENT, "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}
        self._started = False

    def open(self, window: str, *command: str) -> None:
        """Run a command in a window of this name."""
        first = ("new-session", "-d", "-s", "talk", "-x", "120", "-y", "40", "-n", window)
        more = ("new-window", "-d", "-t", "talk", "-n", window)
        self._run(*(more if self._started else first), *command)
        self._started = True

    def type(self, window: str, line: str) -> None:
        self._run("send-keys", "-t", f"talk:{window}", "-l", line)
        self._run("send-keys", "-t", f"talk:{window}", "Enter")

    def paste(self, window: str, text: str) -> None:
        """Paste as a terminal does (bracketed), and press Enter."""
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p", "-t", f"talk:{window}")
        self._run("send-keys", "-t", f"talk:{window}", "Enter")

    def screen(self, window: str) -> str:
        return self._run("capture-pane", "-p", "-J", "-S", "-200", "-t", f"talk:{window}")

    def wait_for(self, window: str, text: str) -> str:
        """The screen, once this stands on it."""
        deadline = time.monotonic() + PATIENCE
        while text not in (screen := self.screen(window)):
            assert time.monotonic() < deadline, f"no {text!r} on:\n{screen}"
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        """Close every window, as a person closes the terminal's window."""
        if self._started:
            subprocess.run([*self._tmux, "kill-server"], capture_output=True, timeout=30, check=False)
        self._started = False

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], capture_output=True, text=True, timeout=30, check=True, env=self._environment
        )
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_connect_talk_list_and_write_to_the_tester(terminal: Terminal, tmp_path: Path) -> None:
    terminal.open("asha", sys.executable, str(DEMO), str(tmp_path / "demo"))
    terminal.wait_for("asha", "Your name in this chat")
    terminal.type("asha", "asha")
    screen = terminal.wait_for("asha", "You are asha.")
    found = re.search(r"talk join (talk-local://\S+)", screen)
    assert found is not None
    join = (sys.executable, "-m", "talk", "join", found[1], "--no-passphrase", "--data", str(tmp_path / "bob"))

    terminal.open("bob", *join, "--name", "asha")
    terminal.wait_for("bob", "These are free:")
    terminal.wait_for("bob", "Your name in this chat")
    terminal.type("bob", "bob")
    terminal.wait_for("bob", "You are bob.")
    terminal.wait_for("asha", "bob is here")

    terminal.type("asha", "Namaste sabko")
    terminal.wait_for("bob", "asha: Namaste sabko")
    terminal.type("bob", "?list")
    terminal.wait_for("bob", "Here (3): asha, bob, tester")

    terminal.type("bob", "@tester Hello dosto !!!")
    terminal.wait_for("bob", "tester (private): Aapne kaha: Hello dosto !!!")
    terminal.type("bob", "@testr kisi ko nahi")
    terminal.wait_for("bob", "Did you mean @tester?")

    terminal.type("asha", "?with bob")
    terminal.wait_for("asha", "@bob (private)>")
    terminal.paste("asha", "first line\nsecond line")
    screen = terminal.wait_for("bob", "second line")
    assert screen.count("asha (private):") == 1
    assert "Aapne kaha" not in terminal.screen("asha")


def test_whoever_leaves_when_a_name_was_refused_is_asked_for_another_the_next_time(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    demo = (sys.executable, str(DEMO), str(folder))
    terminal.open("asha", *demo)
    terminal.wait_for("asha", "Your name in this chat")
    terminal.type("asha", "asha rani")
    terminal.wait_for("asha", "This name cannot be used: it has a space in it")
    terminal.close()
    wait_until_nothing_runs(folder)

    terminal.open("asha", *demo)
    terminal.wait_for("asha", "Your name in this chat")
    terminal.type("asha", "asha_rani")
    terminal.wait_for("asha", "You are asha_rani.")


def test_closing_the_window_leaves_nothing_running(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    terminal.open("asha", sys.executable, str(DEMO), str(folder))
    terminal.wait_for("asha", "Your name in this chat")
    terminal.close()
    wait_until_nothing_runs(folder)


def wait_until_nothing_runs(folder: Path) -> None:
    """Until neither a program that names this folder runs, nor the tmux that was told to start one."""
    deadline = time.monotonic() + PATIENCE
    while running := _running(str(folder)):
        assert time.monotonic() < deadline, running
        time.sleep(0.05)


def _running(text: str) -> list[str]:
    """The command lines of processes that name this."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, timeout=30, check=True).stdout
    return [line for line in found.splitlines() if text in line and "ps -eo" not in line]
