"""Make src/talk/protocol/confusables.tsv from Unicode's confusables.txt (UTS 39, section 4).

    python tools/confusables.py confusables.txt

The table maps every small letter, mark and digit that can stand in a name to what it looks like. Names are shown as
they were typed, so a letter also counts as alike to what its capital looks like: a small i is alike to a small L,
because a capital i is. A capital of another script that would make two ASCII letters one (Greek Ν looks like N, its
small ν like v) is left out; `names.check_name` catches what that leaves open.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import regex  # type: ignore[import-untyped]

TARGET = Path(__file__).parent.parent / "src/talk/protocol/confusables.tsv"
LICENCE = "https://www.unicode.org/license.txt"
NAME_CHARS = regex.compile(r"[\p{L}\p{M}\p{Nd}_.\-]")
LAST_CODE_POINT = 0x10FFFF


def read_prototypes(text: str) -> tuple[str, dict[str, str]]:
    """The Unicode version, and each character's prototype, of a confusables.txt."""
    version = re.search(r"^# Version: ([0-9.]+)", text, re.MULTILINE)
    if version is None:
        raise SystemExit("This is not a confusables.txt: it names no version.")
    prototypes = {}
    for line in text.splitlines():
        source, separator, rest = line.split("#")[0].partition(";")
        if separator:
            prototypes[chr(int(source, 16))] = "".join(chr(int(code, 16)) for code in rest.partition(";")[0].split())
    return version[1], prototypes


def name_characters() -> list[str]:
    """Every code point that the case-mapped, decomposed form of a name can hold."""
    seen: set[str] = set()
    for code in range(LAST_CODE_POINT + 1):
        char = chr(code)
        if NAME_CHARS.match(char) and unicodedata.normalize("NFKC", char) == unicodedata.normalize("NFC", char):
            seen.update(unicodedata.normalize("NFD", char.lower()))
    return sorted(seen)


class Classes:
    """Characters, and sequences of them, that are alike, joined step by step (union-find)."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}
        self.members: dict[str, set[str]] = {}

    def find(self, char: str) -> str:
        root = char
        while self.parent.setdefault(root, root) != root:
            root = self.parent[root]
        self.members.setdefault(root, {root})
        return root

    def alike(self, char: str) -> set[str]:
        return self.members[self.find(char)]

    def join(self, one: str, other: str) -> None:
        keep, gone = self.find(one), self.find(other)
        if keep != gone:
            self.parent[gone] = keep
            self.members[keep] |= self.members.pop(gone)


class Table:
    """The skeleton of every character, from the prototypes."""

    def __init__(self, prototypes: dict[str, str]) -> None:
        self.prototypes = prototypes
        self.classes = Classes()
        self.sequences: dict[str, str] = {}
        self.left_out: list[str] = []
        characters = name_characters()
        for char in characters:
            self._join_small(char)
        for char in filter(str.isalpha, characters):
            self._join_capital(char)
        self.skeletons = {char: self.skeleton(char) for char in characters}

    def look(self, char: str) -> str:
        decomposed = unicodedata.normalize("NFD", char)
        return unicodedata.normalize("NFD", "".join(self.prototypes.get(part, part) for part in decomposed))

    def _join_small(self, char: str) -> None:
        look = self.look(char).lower()
        self.classes.join(look, char)
        if len(look) > 1:
            self.sequences[char] = look

    def _join_capital(self, char: str) -> None:
        if len(char.upper()) != 1:
            return
        look = self.look(char.upper()).lower()
        ascii_letters = [{other for other in self.classes.alike(each) if other.isascii()} for each in (look, char)]
        if char.isascii() or not all(ascii_letters) or ascii_letters[0] == ascii_letters[1]:
            self.classes.join(look, char)
        else:
            self.left_out.append(f"{char} (its capital looks like {look})")

    def skeleton(self, char: str) -> str:
        alike = sorted(self.classes.alike(char), key=lambda each: (len(each), each))
        single = [other for other in alike if len(other) == 1]
        plain = [other for other in single if other.isascii()]
        sequences = (
            [self.sequences[other] for other in plain if other in self.sequences] if plain else alike[len(single) :]
        )
        if sequences:
            return unicodedata.normalize("NFD", "".join(self.skeleton(part) for part in sequences[0]))
        letters = [other for other in plain if other.isalpha()]
        return (letters or plain or single)[0]


def write(version: str, skeletons: dict[str, str]) -> str:
    head = (
        f"# What the characters of a name look like. Made by tools/confusables.py; do not edit.\n"
        f"# Source: Unicode Security Mechanisms (UTS 39), confusables.txt, version {version}.\n"
        f"# Copyright (c) Unicode, Inc. Used under the Unicode License v3, {LICENCE}\n"
        f"# Character, then what stands for it and for all that are alike, as code points in hexadecimal.\n"
    )
    rows = (
        f"{ord(char):04X}\t{' '.join(f'{ord(part):04X}' for part in skeleton)}\n"
        for char, skeleton in sorted(skeletons.items())
        if skeleton != char
    )
    return head + "".join(rows)


def main() -> None:
    version, prototypes = read_prototypes(Path(sys.argv[1]).read_text("utf-8-sig"))
    table = Table(prototypes)
    TARGET.write_text(write(version, table.skeletons), "utf-8")
    sys.stdout.write(f"{TARGET.name}: Unicode {version}. Left out: {', '.join(table.left_out)}\n")


if __name__ == "__main__":
    main()
