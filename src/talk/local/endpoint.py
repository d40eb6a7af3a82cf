"""Where the control socket of a folder is, and how the two sides of it meet, on each kind of machine.

Unix: a socket file in the folder (0600, inside a 0700 folder); on Linux the other side's user is checked as well.
Where the path is too long for a socket, both sides compute the same short one from the folder's hash. It lies in `/tmp`
and not where an environment variable points, because the two sides may have been started from different ones.
Windows, best effort: a named pipe whose name is made from the folder's hash; Windows lets only its maker write to it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from talk.local.errors import FolderError

SOCKET_NAME = "control.sock"
MAX_PATH_BYTES = 100  # macOS takes 103, Linux 107
SHORT_PATHS = Path("/tmp")  # noqa: S108 (anybody may have made the folder in it, so that is checked)
BACKLOG = 128

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


if sys.platform == "win32":

    async def listen(folder: Path, accept: Accept, limit: int) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.ProactorEventLoop):
            raise FolderError("Named pipes need the usual event loop of Windows. Nothing was changed.")

        def protocol() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=limit, loop=loop)
            return asyncio.StreamReaderProtocol(reader, accept, loop=loop)

        pipes = await loop.start_serving_pipe(protocol, _pipe_name(folder))

        def close() -> None:
            for pipe in pipes:
                pipe.close()

        return close

    async def connect(folder: Path, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.ProactorEventLoop):
            raise FolderError("Named pipes need the usual event loop of Windows. Nothing was sent.")
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_pipe_connection(lambda: protocol, _pipe_name(folder))
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def is_owner(writer: asyncio.StreamWriter) -> bool:
        return True

    def _pipe_name(folder: Path) -> str:
        return rf"\\.\pipe\talk-{_hash(str(folder.resolve()).casefold().encode())}"

else:

    async def listen(folder: Path, accept: Accept, limit: int) -> Callable[[], None]:
        """Starts listening; what it returns stops that. The caller holds the folder's lock, so a socket file that is
        there was left by a process that is gone.

        Errors: FolderError when the short place is not ours alone, OSError.
        """
        path = _socket_path(folder, make=True)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
            # Nobody can connect before listen(), so there is no moment when the socket is open to others.
            path.chmod(0o600)
            listener.listen(BACKLOG)
            server = await asyncio.start_unix_server(accept, sock=listener, limit=limit, backlog=BACKLOG)
        except BaseException:
            listener.close()
            raise

        def close() -> None:
            server.close()
            path.unlink(missing_ok=True)

        return close

    async def connect(folder: Path, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Errors: FolderError when the short place is not ours alone, OSError (FileNotFoundError and
        ConnectionRefusedError when nobody listens)."""
        return await asyncio.open_unix_connection(_socket_path(folder, make=False), limit=limit)

    def is_owner(writer: asyncio.StreamWriter) -> bool:
        """Whether the process at the other end runs as this user (SO_PEERCRED, unix(7)); True where it cannot be asked.

        File permissions keep others out already; this holds when somebody has loosened them.
        """
        if sys.platform != "linux":
            return True
        form = struct.Struct("iII")  # struct ucred: process, user, group
        end = writer.get_extra_info("socket")
        _, user, _ = form.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
        return bool(user == os.geteuid())

    def _socket_path(folder: Path, *, make: bool) -> Path:
        folder = folder.resolve()
        path = folder / SOCKET_NAME
        if len(os.fsencode(path)) <= MAX_PATH_BYTES:
            return path
        short = SHORT_PATHS / f"talk-{os.geteuid()}"
        if make:
            short.mkdir(0o700, exist_ok=True)
        _check_private(short)
        return short / f"{_hash(os.fsencode(folder))}.sock"

    def _check_private(folder: Path) -> None:
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return
        raise FolderError(
            f"The folder {folder} should be yours alone, and it is not: somebody else may have made it. Nothing was "
            "sent. Ask the owner of this computer to remove it, or use a data folder with a shorter path."
        )


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
