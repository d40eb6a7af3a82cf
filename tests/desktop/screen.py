"""A virtual screen with a window manager, the window on it, and hands: a mouse and a keyboard (xdotool)."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.online.processes import ENVIRONMENT

PATIENCE = 60.0  # seconds; a condition that is not met by then is a failure

NEEDED = {
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "xdotool": "xdotool",
    "import": "imagemagick",
    "xclip": "xclip",
}


def missing() -> list[str]:
    """The Debian packages that are not there."""
    return [package for program, package in NEEDED.items() if shutil.which(program) is None]


class Screen:
    """Xvfb on a display of its own, with openbox: without a window manager nothing gets the keyboard."""

    def __init__(self, width: int = 1280, height: int = 900, dpi: int = 96) -> None:
        read, write = os.pipe()
        self._server = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(write),
                "-screen",
                "0",
                f"{width}x{height}x24",
                "-dpi",
                str(dpi),
                "-nolisten",
                "tcp",
            ],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as number:
            self.display = f":{number.readline().strip()}"
        self.environment = {**ENVIRONMENT, "DISPLAY": self.display, "TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self.environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
        self._manager = subprocess.Popen(
            ["openbox"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._manager, self._server):
            process.terminate()
            process.wait(PATIENCE)

    def do(self, *words: str) -> str:
        """Run xdotool; what it printed."""
        done = subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return done.stdout.strip()

    def picture(self, path: Path, window: int = 0) -> None:
        """A picture of a window, or of the whole screen."""
        subprocess.run(
            ["import", "-window", str(window or "root"), str(path)], env=self.environment, timeout=PATIENCE, check=True
        )

    def copy(self, text: str) -> None:
        """Put a text into the clipboard, as another program would."""
        subprocess.run(
            ["xclip", "-selection", "clipboard"],
            input=text.encode(),
            env=self.environment,
            timeout=PATIENCE,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def clipboard(self) -> str:
        """What is in the clipboard."""
        done = subprocess.run(
            ["xclip", "-selection", "clipboard", "-o"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout


class App:
    """The window of one user, whose data lie in `home`."""

    def __init__(self, screen: Screen, home: Path, **environment: str) -> None:
        self.screen, self.home = screen, home
        home.mkdir(exist_ok=True)
        self.environment = {**screen.environment, "XDG_DATA_HOME": str(home), **environment}
        self._popen = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.desktop.driven"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()
        self.until(lambda: self.see("window.root.winfo_viewable()"), "window on the screen")
        self.until(lambda: self.see("window.root.focus_displayof() is not None"), "focus in the window")

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _read_errors(self) -> None:
        assert self._popen.stderr is not None
        self.errors.extend(self._popen.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None and kind is None:
            self.close()
        if kind is not None:
            self.screen.picture(self.home / "failed.png")
        self.end()
        if kind is None:
            assert not any("Traceback" in line or "Exception" in line for line in self.errors), "".join(self.errors)
        elif self.errors:
            print("".join(self.errors))

    def close(self) -> None:
        """Close it as a person does, and wait until it has ended."""
        self.screen.do("windowactivate", "--sync", self.id)
        self.key("alt+F4")
        self._popen.wait(PATIENCE)

    def until_ended(self) -> None:
        """Wait until it has ended by itself, as it should."""
        assert self._popen.wait(PATIENCE) == 0, "".join(self.errors)

    def end(self) -> None:
        """End what is left, and let go of it."""
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait(PATIENCE)
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError):
            self._popen.stdin.close()
        for thread in self._threads:
            thread.join(PATIENCE)
        for stream in (self._popen.stdout, self._popen.stderr):
            assert stream is not None
            stream.close()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_status(self) -> int | None:
        return self._popen.poll()

    # ---- looking

    @property
    def id(self) -> str:
        """The X11 window."""
        return str(self.until(self._find, "window of that name"))

    def _find(self) -> str:
        # It gives up when another window, such as a tooltip, goes away while it looks.
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.screen.do("search", "--name", "TAlk$").split()[-1]
        return ""

    def see(self, expression: str) -> Any:
        """The value of an expression in the window's program."""
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(expression + "\n")
            self._popen.stdin.flush()
            answer = self._answers.get(timeout=PATIENCE)
        except (OSError, queue.Empty):
            answer = ""
        if not answer:
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(signal.SIGUSR1)
                time.sleep(1)  # for it to say where it is
            state = f"exit status {self.exit_status}"
            raise AssertionError(f"the window does not answer {expression!r} ({state}): {''.join(self.errors)}")
        said = json.loads(answer)
        assert "error" not in said, f"{expression}: {said['error']}"
        return said["value"]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until this is true; what it is then."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {PATIENCE} s; on the screen: {self.words()}")
            time.sleep(0.03)
        return value

    def words(self) -> list[str]:
        """Everything that widgets say on the screen."""
        return [each["words"] for each in self.see("visible(window.root)")]

    def find(self, words: str) -> dict[str, Any]:
        """The widget that says this, or whose words begin with it; waits for it."""

        def look() -> dict[str, Any] | None:
            seen: list[dict[str, Any]] = self.see("visible(window.root)")
            return next((each for each in seen if each["words"] == words), None) or next(
                (each for each in seen if each["words"].startswith(words)), None
            )

        found: dict[str, Any] = self.until(look, f"widget {words!r}")
        return found

    def says(self, words: str) -> bool:
        """Whether something on the screen contains these words."""
        return any(words in each for each in self.words())

    def wait_for_words(self, words: str) -> None:
        self.until(lambda: self.says(words), f"words {words!r}")

    def rows(self) -> list[dict[str, Any]]:
        """The list at the left."""
        found: list[dict[str, Any]] = self.see("rows(window.list)")
        return found

    def lines(self) -> list[dict[str, Any]]:
        """The messages on the screen."""
        found: list[dict[str, Any]] = self.see("lines(window.pane.messages)")
        return found

    def texts(self) -> list[str]:
        return [line["text"] for line in self.lines()]

    def line(self, text: str, **fields: object) -> dict[str, Any]:
        """The message with this text and these fields; waits for it."""

        def look() -> dict[str, Any] | None:
            for line in self.lines():
                if line["text"] == text and all(line[name] == value for name, value in fields.items()):
                    return line
            return None

        found: dict[str, Any] = self.until(look, f"message {text!r} {fields}")
        return found

    def row(self, name: str, **fields: object) -> dict[str, Any]:
        """The row of the list with this name and these fields; waits for it."""

        def look() -> dict[str, Any] | None:
            for row in self.rows():
                if row["name"] == name and all(row[field] == value for field, value in fields.items()):
                    return row
            return None

        found: dict[str, Any] = self.until(look, f"row {name!r} {fields}")
        return found

    # ---- doing

    def click(self, words: str) -> None:
        """Click on the widget that says this."""
        self.until(lambda: self.find(words)["on"], f"{words!r} that can be pressed")
        found = self.find(words)
        while (again := self.find(words)) != found:  # it is still finding its place
            found = again
        self.click_at(found["x"], found["y"])

    def click_at(self, x: int, y: int, button: int = 1) -> None:
        # A moment between moving and pressing: hovering redraws what is under the mouse.
        self.screen.do("mousemove", str(x), str(y), "sleep", "0.12", "click", str(button))

    def type(self, text: str) -> None:
        """Type on the keyboard; what it has no keys for is pasted."""
        if text.isascii():
            self.screen.do("type", "--delay", "8", text)
        else:
            self.screen.copy(text)
            self.key("ctrl+v")

    def key(self, *keys: str) -> None:
        self.screen.do("key", "--delay", "30", *keys)

    def write(self, text: str) -> None:
        """Type a text into the composer and send it."""
        self.type(text)
        typed = "window.pane.composer.get()"
        self.until(lambda: self.see(typed) == text, f"{text!r} in the composer, but {self.see(typed)!r}")
        self.key("Return")

    def join(self, link: str, name: str) -> None:
        """Fill in the page for joining, and wait for the lobby."""
        self.wait_for_words("Join")
        self.until(lambda: self.see("window.joining._page.link.entry._entry.focus_get() is not None"), "focus")
        self.screen.copy(link)
        self.key("ctrl+v", "Tab", "ctrl+a")
        self.type(name)
        self.key("Return")
        # There is no keyring in tests; an empty passphrase means a private file.
        self.wait_for_words("Choose a passphrase")
        self.key("Return")
        self.in_lobby()
        self.see("window.toast.hide()")

    def in_lobby(self) -> None:
        """Wait until the chat is online and on the screen."""
        self.until(lambda: self.see("window.chat is not None and window.chat.state.name == 'ONLINE'"), "chat online")
        self.until(lambda: self.see("window.pane.key != '' and not window.overlay.is_open"), "conversation")
