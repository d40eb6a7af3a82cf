"""What a run has shown: a row for each trouble, what nobody can undo apart, and whether all is as promised. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from talk.apps.prove.ledger import Counts, Lost


@dataclass(frozen=True, slots=True)
class Row:
    """One trouble, done so many `times`.

    `unavailable` are the seconds of its definition in all, `longest` the most of one time, and `within` its bound;
    `why_not` says why it was not run, "" when it was; `puts_back` marks what no server can undo.
    """

    name: str
    says: str
    times: int = 0
    counts: Counts = field(default_factory=Counts)
    unavailable: float = 0.0
    longest: float = 0.0
    within: float = 0.0
    why_not: str = ""
    puts_back: bool = False

    @property
    def is_late(self) -> bool:
        return self.longest > self.within

    @property
    def is_clean(self) -> bool:
        return self.counts.is_clean and not self.is_late


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problems` are a trouble's name and a sentence each: what no column counts. `seconds` is how long it took."""

    rows: tuple[Row, ...]
    total: Counts
    lost: tuple[Lost, ...]
    problems: tuple[tuple[str, str], ...]
    seconds: float
    started_at: float

    @property
    def is_clean(self) -> bool:
        """Whether every acknowledged line is where it belongs, once and in order, and everybody was served again."""
        return self.total.is_clean and not self.problems and all(row.is_clean for row in self.rows)

    def culprits(self) -> list[str]:
        """The troubles in which something was not as promised; none when it was before or after them all."""
        named = [name for name, _ in self.problems]
        return [row.name for row in self.rows if row.says and (not row.is_clean or row.name in named)]
