"""`talk`: the command line. Each command teaches itself with --help; what is heavy is loaded when it is used."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence

from talk import __version__

EPILOG = """\
talk alone opens the window, or the chat in the terminal where there is no display.

examples:
  talk serve                        start a chat on this computer and print the invitation
  talk join 'talk://…' --name asha  join a chat (quote the link)
  talk join -                       join and paste the link, which keeps it out of the shell's history
  talk send "@bob hi"               beside a running talk join: send one line
"""


def parser() -> argparse.ArgumentParser:
    """Every command and its words."""
    top = argparse.ArgumentParser(
        prog="talk",
        description="A chat of your own: one command starts it, one link joins it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"talk {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands)
    _add_join(commands)
    _add_nearby(commands)
    _add_beside_a_profile(commands)
    _add_owner(commands)
    _add_prove(commands)
    return top


Subparsers = argparse._SubParsersAction


def _add_serve(commands: Subparsers[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="start a chat server on this computer",
        description="Start a chat server and print an invitation ready to paste. On any address but this computer's "
        "own (127.0.0.1) it makes its own TLS certificate, and a new name needs an invitation.",
    )
    serve.add_argument(
        "--listen", metavar="HOST:PORT", default="", help="where to listen (default: *:7433; port 0: any)"
    )
    serve.add_argument("--data", metavar="DIR", help="folder of the server (default: the user's data folder)")
    serve.add_argument(
        "--address",
        metavar="HOST[:PORT]",
        action="append",
        default=[],
        help="how others reach this server, for the link; can be given several times",
    )
    serve.add_argument("--open", action="store_true", help="let anybody take a name without an invitation")
    serve.add_argument(
        "--rate",
        metavar="N",
        type=float,
        default=10.0,
        help="messages a second per account, more wait their turn (default 10, 0 for no limit)",
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="your own certificate instead of a self-made one")
    serve.add_argument("--tls-key", metavar="FILE", help="the key of --tls-cert")
    serve.add_argument("--behind-proxy", action="store_true", help="a proxy in front does TLS; listen without")
    serve.add_argument(
        "--title", metavar="NAME", default="", help="what the chat is called for people who look for one"
    )
    serve.add_argument("--hidden", action="store_true", help="do not tell this network that a chat is here")
    serve.add_argument(
        "--announce-on",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="tell only the network in which this computer has that address; can be given several times",
    )
    serve.add_argument(
        "--log", metavar="FILE", help="write problems to this file (at most 1 MB), not to standard error"
    )
    serve.add_argument("--json", action="store_true", help="print one JSON object per line")


def _add_join(commands: Subparsers[argparse.ArgumentParser]) -> None:
    join = commands.add_parser(
        "join",
        help="join a chat, or come back to it",
        description="Join a chat with its link, or come back to one. In a terminal you talk there; with lines piped "
        "in, each is sent, and the exit status is 0 only if all of them were stored.",
    )
    join.add_argument("link", nargs="?", default="", help="the invitation's link; - to paste it; none to come back")
    join.add_argument("--name", default="", help="your name in this chat, the first time")
    _add_profile(join)
    join.add_argument(
        "--no-passphrase",
        action="store_true",
        help="where there is no keyring, keep the key in a file that only you can read, without asking",
    )
    join.add_argument("--json", action="store_true", help="print one JSON object per line")
    join.add_argument("--stay", action="store_true", help="keep listening when the input has ended")
    join.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=60.0,
        help="how long to wait for the server at the start, and at the end for what is not sent",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError
    return seconds


def _add_profile(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", metavar="DIR", help="folder of the profile (default: the user's data folder)")


def _add_nearby(commands: Subparsers[argparse.ArgumentParser]) -> None:
    nearby = commands.add_parser(
        "nearby",
        help="chats on this network",
        description="Look for chats that are announced on this network, and print how to join each. Anybody on the "
        "network can announce a chat under any title.",
    )
    nearby.add_argument("--seconds", metavar="N", type=_seconds, default=3.0, help="how long to look (default 3)")
    nearby.add_argument(
        "--on",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="look only in the network in which this computer has that address; can be given several times",
    )
    nearby.add_argument("--json", action="store_true", help="print one JSON object per line")


def _add_beside_a_profile(commands: Subparsers[argparse.ArgumentParser]) -> None:
    send = commands.add_parser(
        "send",
        help='send one line: talk send "@bob hi"',
        description=(
            "Send one line, as typed in the chat, through the talk that is running, or by itself when none is."
        ),
    )
    send.add_argument("line", help="what you would type: a text, or @name and a text")
    _add_profile(send)
    people = commands.add_parser("list", help="who is connected", description="Print who is connected, a name a line.")
    _add_profile(people)


def _add_owner(commands: Subparsers[argparse.ArgumentParser]) -> None:
    def owner(name: str, help: str, argument: str = "", description: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=f"owner: {help}", description=description or f"For the owner: {help}.")
        if argument:
            command.add_argument(argument.lower(), metavar=argument)
        command.add_argument("--data", metavar="DIR", help="folder of the server (default: the user's data folder)")
        return command

    owner("invite", "print a fresh invitation, beside the running server")
    revoke = owner("revoke", "let nobody new in with the links given out so far, or with one of them")
    revoke.add_argument("link", metavar="LINK", nargs="?", default="", help="only this one (default: all)")
    owner("stop", "stop the running server in order")
    owner("kick", "end somebody's connection; they may come back", "NAME")
    owner("ban", "keep somebody out", "NAME")
    owner("unban", "let somebody back in", "NAME")
    name = commands.add_parser("name", help="owner: give a name free again: talk name release NAME")
    name.add_argument("action", choices=["release"])
    name.add_argument("name", metavar="NAME")
    name.add_argument("--data", metavar="DIR", help="folder of the server (default: the user's data folder)")
    owner("backup", "save everything to a new file, while the server runs", "FILE")
    owner(
        "restore",
        "put a backup in place, while the server is stopped",
        "FILE",
        (
            "Put a backup in place of the server's data, while the server is stopped. Clients notice, read again, and "
            "people are told. What was there is kept beside it."
        ),
    )


def _add_prove(commands: Subparsers[argparse.ArgumentParser]) -> None:
    prove = commands.add_parser(
        "prove",
        help="break a server of your own on purpose, and check every message",
        description="Start a server and people who write on this computer, break things on purpose (kills, cut cables, "
        "frozen programs, clock jumps, full disks, power cuts and more), and check that every acknowledged message is "
        "with everybody once and in order. Nothing but a temporary folder and 127.0.0.1 is used. Seconds unavailable: "
        "from the begin of a trouble until everybody has had a line acknowledged that they wrote since, less the time "
        "that the trouble itself went on. Exit status 0 only if nothing was lost, came twice, came out of order or "
        "could not be opened, and everybody was served again in time.",
    )
    prove.add_argument("--minutes", metavar="N", type=float, help="go on for so long (default 5; a release: 30)")
    prove.add_argument("--short", action="store_true", help="each trouble once and briefly: about a minute")
    prove.add_argument(
        "--only", metavar="TROUBLE", action="append", default=[], help="this trouble alone; can be given several times"
    )
    prove.add_argument("--data", metavar="DIR", help="try a copy of this server's folder; the original is only read")
    prove.add_argument("--seed", metavar="N", type=int, help="the same order of troubles as in the run with this seed")
    prove.add_argument("--keep", action="store_true", help="keep everything that was written, also when all is well")
    prove.add_argument("--json", action="store_true", help="print one JSON object per line")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0 for done, 1 for not done, 2 for words that are off."""
    _open_what_is_closed()
    try:
        return _run(parser().parse_args(arguments))
    except BrokenPipeError:
        from talk.apps.output import nobody_reads

        nobody_reads()
        return 1


def _open_what_is_closed() -> None:
    """Who was started without standard input or output has nothing to read, or nobody to tell.

    Left closed, the next file or socket would get its number, and be read or written in its stead.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


def _run(given: argparse.Namespace) -> int:
    match given.command:
        case "serve":
            from talk.apps.serve import serve

            return serve(given)
        case "join":
            from talk.apps.join import join

            return join(given)
        case "nearby":
            from talk.apps.nearby import nearby

            return nearby(given)
        case "send" | "list":
            from talk.apps.beside import beside

            return beside(given)
        case "prove":
            from talk.apps.prove.command import command

            return command(given)
        case None:
            return _window_or_terminal()
        case _:
            from talk.apps.owner import owner

            return owner(given)


def _window_or_terminal() -> int:
    """`talk` alone: the window; where none can be shown, why, and the chat in the terminal."""
    from talk.apps.desktop.checks import missing

    problem = missing()
    if not problem:
        from talk.apps.desktop.start import desktop

        return desktop()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser().print_help()
        sys.stderr.write(f"talk: {problem}\n")
        return 2
    sys.stderr.write(f"talk: {problem}\nThe chat opens here in the terminal instead.\n\n")
    from talk.apps.join import join

    return join(parser().parse_args(["join"] if _has_joined() else ["join", "-"]))


def _has_joined() -> bool:
    from talk.encryption.database import FILE
    from talk.local.folders import profiles_folder

    return any(profiles_folder().glob(f"*/{FILE}"))


if __name__ == "__main__":
    sys.exit(main())
