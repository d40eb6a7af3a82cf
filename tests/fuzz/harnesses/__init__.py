"""Harnesses: functions of bytes that return for anything, and raise for what no parser may do.

A parser may raise the errors that its docstring names. Everything else that comes out of a harness is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.harnesses import doors, files, machine, sealed, wires, words

Harness = Callable[[bytes], None]

HARNESSES: dict[str, Harness] = {
    "command": wires.command,
    "member": doors.member,
    "event": wires.event,
    "identity": wires.identity,
    "proof": wires.proof,
    "certificate": wires.certificate,
    "door": doors.door,
    "link": words.link,
    "name": words.name,
    "text": words.text,
    "mail": sealed.mail,
    "inside": sealed.inside,
    "comparison": sealed.comparison,
    "key_file": files.key_file,
    "profile_file": files.profile_file,
    "settings": files.settings,
    "backup": files.backup,
    "tls_files": files.tls_files,
    "control": machine.control,
    "nearby": machine.nearby,
}
