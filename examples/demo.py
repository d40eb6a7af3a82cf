"""The whole chat on this computer: a server, the tester bot, and you in the lobby. `make run` starts it.

    python examples/demo.py [FOLDER]

Without a terminal it serves and prints the link, until it is stopped.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / ".demo"
TALK = (sys.executable, "-m", "talk")
STOP_WITHIN = 10  # seconds


@contextlib.contextmanager
def running(*command: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is asked to stop at the end, and made to if it does not."""
    # A session of its own, so that Ctrl-C in the chat does not reach it first.
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()


def main(folder: Path) -> int:
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    for sign in ("SIGTERM", "SIGHUP"):  # SIGHUP: the terminal's window was closed; Windows has none
        if hasattr(signal, sign):
            signal.signal(getattr(signal, sign), lambda *_: sys.exit(0))
    serve = (*TALK, "serve", "--listen", "127.0.0.1:0", "--data", str(folder / "server"), "--json")
    with running(*serve, stdout=subprocess.PIPE) as server, contextlib.ExitStack() as stack:
        assert server.stdout is not None
        first = server.stdout.readline()
        if not first:
            return server.wait()
        link = json.loads(first)["link"]
        print(
            f"Your chat runs on this computer. Another window joins with:\n\n  talk join {link} --name NAME\n",
            flush=True,
        )
        watching = threading.Thread(target=watch, args=(server,), daemon=True)
        watching.start()
        if not interactive:
            return server.wait()
        tester = (sys.executable, str(Path(__file__).with_name("tester.py")), link, str(folder / "tester"))
        stack.enter_context(running(*tester, stdin=subprocess.DEVNULL))
        print("In the room: tester, a bot. Try: ?list, and @tester Hello dosto !!!\n", flush=True)
        return subprocess.call([*TALK, "join", link, "--data", str(folder / "you"), "--no-passphrase"])


def watch(server: "subprocess.Popen[str]") -> None:
    """Read what the server tells its owner, so that it never waits for a reader."""
    assert server.stdout is not None
    for _ in server.stdout:
        pass


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER))
