"""What was written to a file and not synced: pages in memory over the file on disk, which has what was synced.

Sizes and offsets are bytes. A page gets to the disk whole or not at all; which of them a power cut finds there, chance
decides, as with a disk that writes in any order it likes.
"""

from __future__ import annotations

import os
from random import Random

PAGE = 4096  # bytes


class Unsynced:
    """One file's pages in memory. `size` is how long the file looks to programs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pages: dict[int, bytearray] = {}

    def read(self, file: int, length: int, offset: int) -> bytes:
        """What programs see of the file that is open as `file`."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        seen = bytearray(os.pread(file, end - offset, offset).ljust(end - offset, b"\0"))
        for number in range(offset // PAGE, (end - 1) // PAGE + 1):
            page = self._pages.get(number)
            if page is not None:
                start, stop = max(offset, number * PAGE), min(end, (number + 1) * PAGE)
                seen[start - offset : stop - offset] = page[start - number * PAGE : stop - number * PAGE]
        return bytes(seen)

    def write(self, file: int, data: bytes, offset: int) -> None:
        """Keep this in memory. `file` must be readable."""
        end, at = offset + len(data), offset
        while at < end:
            number = at // PAGE
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = self._on_disk(file, number)
            stop = min(end, (number + 1) * PAGE)
            page[at - number * PAGE : stop - number * PAGE] = data[at - offset : stop - offset]
            at = stop
        self.size = max(self.size, end)

    def _on_disk(self, file: int, number: int) -> bytearray:
        length = min(PAGE, max(0, self.size - number * PAGE))
        return bytearray(os.pread(file, length, number * PAGE).ljust(PAGE, b"\0"))

    def truncate(self, length: int) -> None:
        """The file was made this long on disk as well: what a file system keeps of itself is not lost here."""
        self._pages = {number: page for number, page in self._pages.items() if number * PAGE < length}
        if length < self.size and (last := self._pages.get(length // PAGE)) is not None:
            kept = length % PAGE
            last[kept:] = bytes(PAGE - kept)
        self.size = length

    def sync(self, file: int) -> None:
        """Put everything on disk. `file` must be writable."""
        self._put(file, list(self._pages))
        if os.fstat(file).st_size != self.size:
            os.ftruncate(file, self.size)
        os.fdatasync(file)
        self._pages.clear()

    def lose(self, file: int, chance: Random) -> int:
        """The power is cut: some pages had got to the disk, the others are gone; how many that is."""
        kept = [number for number in self._pages if chance.random() < 0.5]
        self._put(file, kept)
        return len(self._pages) - len(kept)

    def _put(self, file: int, numbers: list[int]) -> None:
        for number in numbers:
            length = min(PAGE, self.size - number * PAGE)
            if length > 0:
                os.pwrite(file, bytes(self._pages[number][:length]), number * PAGE)
