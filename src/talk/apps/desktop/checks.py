"""Whether a window can be shown here; and if not, what exactly to do about it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

_INSTALL = {
    "apt-get": "sudo apt install {debian}",
    "dnf": "sudo dnf install {fedora}",
    "pacman": "sudo pacman -S {arch}",
    "zypper": "sudo zypper install {suse}",
    "brew": "brew install {brew}",
}
_TKINTER = {
    "debian": "python3-tk",
    "fedora": "python3-tkinter",
    "arch": "tk",
    "suse": f"python{sys.version_info[0]}{sys.version_info[1]}-tk",
    "brew": f"python-tk@{sys.version_info[0]}.{sys.version_info[1]}",
}
EXTRA = "pip install 'talk-chat[desktop]'"


def missing() -> str:
    """Why no window can be shown here, and the command that changes that; "" when one can."""
    if importlib.util.find_spec("_tkinter") is None or importlib.util.find_spec("tkinter") is None:
        return f"This Python has no tkinter, which the window needs. To get it: {_command()}"
    absent = [name for name in ("customtkinter", "PIL") if importlib.util.find_spec(name) is None]
    if absent:
        return f"The window needs some more packages. To get them: {EXTRA}"
    return _no_display() or _no_smooth_fonts()


def _command() -> str:
    if sys.platform == "win32":
        return 'run the installer of Python again, "Modify", and tick "tcl/tk and IDLE"'
    for program, command in _INSTALL.items():
        if shutil.which(program):
            return command.format(**_TKINTER)
    return "install the package for tkinter of your system"


def _no_display() -> str:
    if sys.platform in ("win32", "darwin"):
        return ""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "There is no display here (DISPLAY is not set), so no window can be shown."
    if not os.environ.get("DISPLAY"):
        return "The window needs X11, and on Wayland the package xwayland. To get it: sudo apt install xwayland"
    import tkinter as tk

    try:
        tk.Tk().destroy()
    except tk.TclError as error:
        return f"The display {os.environ['DISPLAY']} cannot be used ({error}), so no window can be shown."
    return ""


def _no_smooth_fonts() -> str:
    """Tk on X11 that was built without Xft shows coarse letters, and no Hindi."""
    if sys.platform in ("win32", "darwin"):
        return ""
    import tkinter as tk

    root = tk.Tk()
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
        f"Use the Python of your system instead, with its Tk: {_command()}"
    )
