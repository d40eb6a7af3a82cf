"""Looking at an X11 screen from outside, with nothing but libX11: when is a colour there?"""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from collections.abc import Iterable

_ALL_PLANES = 0xFFFFFFFF
_Z_PIXMAP = 2
LOOK_EVERY = 0.008  # seconds


class _Image(ctypes.Structure):
    """The start of Xlib's XImage."""

    _fields_ = (
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("xoffset", ctypes.c_int),
        ("format", ctypes.c_int),
        ("data", ctypes.c_void_p),
    )


class Eyes:
    """Looks at one narrow column of the screen: whole pictures would cost what is measured."""

    def __init__(self, display: str, x: int, height: int) -> None:
        self._x, self._height = x, height
        self._lib = ctypes.CDLL(ctypes.util.find_library("X11"))
        self._lib.XOpenDisplay.restype = ctypes.c_void_p
        self._lib.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
        self._lib.XDefaultRootWindow.restype = ctypes.c_ulong
        self._lib.XGetImage.restype = ctypes.POINTER(_Image)
        self._lib.XGetImage.argtypes = [
            ctypes.c_void_p, ctypes.c_ulong, *[ctypes.c_int] * 2, *[ctypes.c_uint] * 2, ctypes.c_ulong, ctypes.c_int,
        ]  # fmt: skip
        self._lib.XDestroyImage.argtypes = [ctypes.POINTER(_Image)]
        self._lib.XCloseDisplay.argtypes = [ctypes.c_void_p]
        self._display = self._lib.XOpenDisplay(display.encode())
        self._root = self._lib.XDefaultRootWindow(self._display)

    def column(self) -> bytes:
        """Its pixels now, as blue, green, red, unused."""
        image = self._lib.XGetImage(self._display, self._root, self._x, 0, 8, self._height, _ALL_PLANES, _Z_PIXMAP)
        pixels = ctypes.string_at(image.contents.data, 8 * self._height * 4)
        self._lib.XDestroyImage(image)
        return pixels

    def wait_for(self, colours: Iterable[str], within: float) -> float:
        """When (`time.monotonic`) one of these colours was there."""
        wanted = [_pixel(colour) for colour in colours]
        end = time.monotonic() + within
        while time.monotonic() < end:
            pixels = self.column()
            if any(colour in pixels for colour in wanted):
                return time.monotonic()
            time.sleep(LOOK_EVERY)
        raise AssertionError(f"nothing on the screen has one of the colours {list(colours)} within {within} s")

    def wait_until_gone(self, colours: Iterable[str], within: float) -> None:
        """Wait until none of these colours is there any more."""
        wanted = [_pixel(colour) for colour in colours]
        end = time.monotonic() + within
        while any(colour in self.column() for colour in wanted):
            if time.monotonic() > end:
                raise AssertionError("a window does not go away")
            time.sleep(LOOK_EVERY)

    def close(self) -> None:
        self._lib.XCloseDisplay(self._display)


def _pixel(colour: str) -> bytes:
    """#rrggbb as it lies in a picture."""
    return bytes.fromhex(colour[5:7] + colour[3:5] + colour[1:3])
