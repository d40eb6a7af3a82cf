"""Looks for bytes that a harness does not take, led by what code they reach (needs `pip install atheris`).

    python -m tests.fuzz                     every harness, a minute each
    python -m tests.fuzz link --minutes 10
    python -m tests.fuzz link --minimize     keeps the fewest files that reach all that was reached

What it finds is put beside the corpus in tests/fuzz/corpus/NAME: crash-… for a mistake. Mend it, give the file a name
that says what it is, and keep it: tests/fuzz/test_corpus.py runs all of them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
MAX_LENGTH = 4096  # bytes of an input
SLOWEST = 20  # seconds for one input, which is a mistake then


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--minimize", action="store_true")
    parser.add_argument("--run-here", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run_here is not None:
        return run_here(given.names[0], given.run_here)
    failed = [name for name in given.names or _all_names() if not fuzz(name, given.minutes, given.minimize)]
    print("found mistakes in: " + ", ".join(failed) if failed else "found no mistakes")
    return 1 if failed else 0


def _all_names() -> list[str]:
    from tests.fuzz.harnesses import HARNESSES

    return list(HARNESSES)


def fuzz(name: str, minutes: float, minimize: bool) -> bool:
    """Run one harness in a process of its own, which libFuzzer ends; whether it found nothing."""
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as grown:
        bounds = [f"-max_len={MAX_LENGTH}", f"-timeout={SLOWEST}", "-rss_limit_mb=2048"]
        if minimize:
            flags = ["-merge=1", *bounds, grown, str(kept)]
        else:
            flags = [f"-max_total_time={round(minutes * 60)}", f"-artifact_prefix={kept}/", *bounds, grown, str(kept)]
        done = subprocess.run([sys.executable, "-m", "tests.fuzz", name, "--run-here", *flags], check=False)
        if minimize and done.returncode == 0:
            for old in kept.iterdir():
                old.unlink()
            for new in Path(grown).iterdir():
                shutil.copy(new, kept / new.name[:12])
        elif not minimize:
            _keep_what_reaches_more(name, grown, kept, bounds)
        return done.returncode == 0


def _keep_what_reaches_more(name: str, grown: str, kept: Path, bounds: list[str]) -> None:
    """Add to the corpus what was found to reach code that nothing in it reaches."""
    before = set(kept.iterdir())
    merge = [sys.executable, "-m", "tests.fuzz", name, "--run-here", "-merge=1", *bounds, str(kept), grown]
    subprocess.run(merge, check=False, stderr=subprocess.DEVNULL)
    for new in set(kept.iterdir()) - before:
        if not new.name.startswith(("crash-", "timeout-", "oom-")):
            new.rename(new.with_name(new.name[:12]))


def run_here(name: str, flags: list[str]) -> int:
    """In the process that libFuzzer ends."""
    try:
        import atheris
    except ImportError:
        print("Fuzzing needs atheris: pip install atheris. (The corpus runs without it: pytest tests/fuzz.)")
        return 2
    # Modules are instrumented while they are imported, so they are imported here and not above.
    with atheris.instrument_imports(include=["talk"]):
        from tests.fuzz.harnesses import HARNESSES
    atheris.Setup([sys.argv[0], *flags], HARNESSES[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
