"""Which troubles come, and when: the same for the same seed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from talk.apps.prove.errors import ProveError

DEFAULT_MINUTES = 5.0
MAX_MINUTES = 24 * 60.0
MAX_SEED = 10**9
BESIDE = "half-open"  # goes on beside all others, so it comes first


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. `minutes` is 0 for the short form: each trouble once, and briefly.

    `only` are the names of troubles, none for all; `data` a server's folder that is tried as a copy; `keep` says to
    keep what was written also when all is well.
    """

    seed: int
    minutes: float = DEFAULT_MINUTES
    only: tuple[str, ...] = ()
    data: Path | None = None
    keep: bool = False

    @property
    def is_short(self) -> bool:
        return self.minutes == 0

    def again(self, trouble: str = "") -> str:
        """The command that does this one trouble again, or all of it."""
        length = "--short" if self.is_short else f"--minutes {self.minutes:g}"
        data = f" --data {self.data}" if self.data else ""
        only = "".join(f" --only {name}" for name in ([trouble] if trouble else self.only))
        return f"talk prove {length}{only} --seed {self.seed}{data}"


def chosen(names: Sequence[str], only: Sequence[str]) -> list[str]:
    """The troubles that are meant. Errors: ProveError for one that is none."""
    for name in only:
        if name not in names:
            raise ProveError(f"There is no trouble called {name}. There are: {', '.join(names)}.")
    return [name for name in names if name in only or not only]


def rounds(names: Sequence[str], seed: int, together: Collection[str] = ()) -> Iterator[list[str]]:
    """One order of the troubles after the other, for ever. Those that go `together` come last, in any order."""
    order = Random(seed)  # noqa: S311 - nothing secret
    while True:
        mixed = [name for name in names if name != BESIDE]
        order.shuffle(mixed)
        mixed.sort(key=lambda name: name in together)
        yield [name for name in names if name == BESIDE] + mixed
