"""Whether a window can be shown here; and if not, what exactly to do about it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
import threading

_INSTALL = {
    "apt-get": ("debian", "sudo apt install"),
    "dnf": ("fedora", "sudo dnf install"),
    "pacman": ("arch", "sudo pacman -S"),
    "zypper": ("suse", "sudo zypper install"),
    "brew": ("brew", "brew install"),
}
_TKINTER = {
    "debian": "python3-tk",
    "fedora": "python3-tkinter",
    "arch": "tk",
    "suse": f"python{sys.version_info[0]}{sys.version_info[1]}-tk",
    "brew": f"python-tk@{sys.version_info[0]}.{sys.version_info[1]}",
}
_XWAYLAND = {
    "debian": "xwayland",
    "fedora": "xorg-x11-server-Xwayland",
    "arch": "xorg-xwayland",
    "suse": "xwayland",
}
ANSWERS_WITHIN = 10.0  # seconds; a display at the other end of a slow line takes its time
EXTRA = 'pip install ".[desktop]", in the folder of TAlk'  # double quotes, which Windows knows too


def missing() -> str:
    """Why no window can be shown here, and the command that changes that; "" when one can."""
    try:
        import tkinter  # noqa: F401 - its libraries may be missing though it is there
    except ImportError:
        return f"This Python has no tkinter, which the window needs. To get it: {_tkinter_command()}"
    absent = [name for name in ("customtkinter", "PIL") if importlib.util.find_spec(name) is None]
    if absent:
        return f"The window needs some more packages. To get them: {EXTRA}"
    return _no_display() or _no_tk()


def _tkinter_command() -> str:
    if sys.platform == "win32":
        return 'run the installer of Python again, "Modify", and tick "tcl/tk and IDLE"'
    return _install(_TKINTER) or "install the package for tkinter of your system"


def _install(packages: dict[str, str]) -> str:
    """The command that installs a package here; "" where none is known. `packages` are its names by system."""
    for program, (system, command) in _INSTALL.items():
        if system in packages and shutil.which(program):
            return f"{command} {packages[system]}"
    return ""


def _no_display() -> str:
    if sys.platform in ("win32", "darwin"):
        return ""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "There is no display here (DISPLAY is not set), so no window can be shown."
    if not os.environ.get("DISPLAY"):
        command = _install(_XWAYLAND) or "install the package for Xwayland of your system"
        return f"The window needs X11, which Wayland has by Xwayland. To get it: {command}"
    if not _answers():
        return f"The display {os.environ['DISPLAY']} does not answer, so no window can be shown."
    return ""


def _answers() -> bool:
    """Whether the display says anything at all, be it no. Tk would wait for that for ever, and nothing can stop it.

    What asks is X's own library, which knows all ways to a display and its keys; a connection takes it 1 ms. It waits
    on a thread that is left behind. Where the library is not found, as in a Tk that brings its own, Tk has to do.
    """
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    answered = threading.Event()

    def ask() -> None:
        xcb.xcb_disconnect(ctypes.c_void_p(xcb.xcb_connect(None, None)))
        answered.set()

    threading.Thread(target=ask, name="talk-display", daemon=True).start()
    return answered.wait(ANSWERS_WITHIN)


def _no_tk() -> str:
    """Why Tk cannot use the display, or not well: without Xft it shows coarse letters, and no Hindi."""
    if sys.platform in ("win32", "darwin"):
        return ""
    import tkinter as tk

    try:
        root = tk.Tk()
    except tk.TclError as error:
        return f"The display {os.environ['DISPLAY']} cannot be used ({error}), so no window can be shown."
    try:
        root.withdraw()
        system = root.tk.call("::tk::pkgconfig", "get", "fontsystem")
    except tk.TclError:
        return ""
    finally:
        root.destroy()
    if system == "xft":
        return ""
    return (
        "The Tk of this Python was built without Xft, so its letters would be coarse and Hindi unreadable. "
        f"Use the Python of your system instead, with its Tk: {_tkinter_command()}"
    )
