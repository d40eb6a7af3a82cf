"""Writing a whole conversation into a file that a person keeps: as text, or as a page for a browser.

It goes page by page from the disk into a new file beside the wanted one, which takes its place at the end: what is
stopped on the way leaves nothing half.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from talk.client import reading
from talk.client.conversations import Line
from talk.client.errors import ClientError
from talk.client.profile import ProfileFolder
from talk.protocol.text import printable

Form = Literal["text", "html"]
Progress = Callable[[int, int], None]
PAGE = 500  # lines in memory

_HEAD = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1c1e21; }}
h1 {{ font-size: 1.4rem; }}
h2 {{ font-size: .85rem; color: #667; border-bottom: 1px solid #dde; margin: 2rem 0 .75rem; font-weight: 600; }}
p {{ margin: .3rem 0; display: grid; grid-template-columns: 3.2rem 1fr; }}
time {{ color: #889; font-size: .85rem; }}
b {{ color: #2456a6; }} .mine b {{ color: #20744a; }} small {{ color: #a33; }}
span {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
@media (prefers-color-scheme: dark) {{
body {{ background: #16181c; color: #e6e6e6; }} h2 {{ border-color: #334; color: #99a; }}
b {{ color: #8ab4f8; }} .mine b {{ color: #7fd1a3; }} small {{ color: #f99; }} }}
</style>
</head>
<body>
<h1 dir="auto">{title}</h1>
"""
_FOOT = "</body>\n</html>\n"


async def export(profile: ProfileFolder, key: str, path: Path, form: Form, progress: Progress | None) -> int:
    """Write the kept lines of a conversation into `path` (mode 0600); how many. Errors: ClientError, ProfileError."""
    total, until = await profile.run(reading.size, key)
    title = await profile.run(reading.title, key)
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        file = await asyncio.to_thread(_create, beside)
        try:
            done = await _write(file, profile, key, title, until, form, lambda done: _tell(progress, done, total))
            await asyncio.to_thread(_finish, file, beside, path)
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise ClientError(
            f"The file could not be written ({error.strerror or error}), so there is none; your messages are safe. "
            "Choose another place, or look whether the disk is full."
        ) from error
    return done


async def _write(
    file: IO[str],
    profile: ProfileFolder,
    key: str,
    title: str,
    until: int,
    form: Form,
    progress: Callable[[int], None],
) -> int:
    day, after, done = "", 0, 0
    await asyncio.to_thread(file.write, _HEAD.format(title=html.escape(printable(title))) if form == "html" else "")
    while page := await profile.run(reading.lines_after, key, after, until, PAGE):
        text, day = _page(page, day, form)
        await asyncio.to_thread(file.write, text)
        after, done = page[-1].row, done + len(page)
        progress(done)
    await asyncio.to_thread(file.write, _FOOT if form == "html" else "")
    return done


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, max(done, total))


def _create(path: Path) -> IO[str]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="\n")


def _finish(file: IO[str], beside: Path, path: Path) -> None:
    with file:
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _page(lines: list[Line], day: str, form: Form) -> tuple[str, str]:
    """These lines written out, with a heading where a day begins; and the day of the last one."""
    parts: list[str] = []
    for line in lines:
        date, clock = _when(line.at)
        if date != day:
            day = date
            parts.append(f"<h2>{day}</h2>\n" if form == "html" else f"\n{day}\n\n")
        parts.append(_as_html(line, clock) if form == "html" else _as_text(line, clock))
    return "".join(parts), day


def _as_text(line: Line, clock: str) -> str:
    # What follows the first line of a message cannot pass for a message of its own.
    text = printable(line.text).replace("\n", "\n    ")
    note = _note(line)
    return f"[{clock}] {printable(line.name)}: {text}{f' ({printable(note)})' if note else ''}\n"


def _as_html(line: Line, clock: str) -> str:
    name, text, note = (html.escape(printable(part)) for part in (line.name, line.text, _note(line)))
    own = ' class="mine"' if line.mine else ""
    small = f" <small>{note}</small>" if note else ""
    return (
        f'<p{own}><time>{clock}</time><span dir="auto"><b><bdi>{name}</bdi></b> <bdi>{text}</bdi>{small}</span></p>\n'
    )


def _note(line: Line) -> str:
    match line.mark:
        case "failed":
            return f"not sent: {line.reason}" if line.reason else "not sent"
        case "sending":
            return "not sent yet"
        case _:
            return ""


def _when(at: int) -> tuple[str, str]:
    """Day and minute by this computer's clock; question marks for a time that no calendar here reaches."""
    try:
        when = time.localtime(at / 1000)
        return time.strftime("%Y-%m-%d", when), time.strftime("%H:%M", when)
    except (OverflowError, ValueError, OSError):
        return "????-??-??", "??:??"
