"""Break the code one small piece at a time, and see whether a test notices.

    python tools/mutants.py src/talk/server/rules tests/server/rules [--every N]

Every comparison, condition, number, arithmetic sign, early exit and call for its effect alone is changed in turn, in a
copy of the tree; a change after which all tests still pass is printed. `--every 5` tries each fifth only. A survivor is
a missing test, or code that is not needed, or a change that makes no difference.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

LIMIT = 60.0  # seconds for all tests; a mutant that hangs is noticed
JOBS = os.cpu_count() or 1
ROOT = Path(__file__).resolve().parent.parent

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
SIGNS: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.FloorDiv: "*"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """Lines of one file that are replaced by one piece of text."""

    path: Path
    line: int
    start: int
    end: int
    text: str

    def __str__(self) -> str:
        source = self.path.read_bytes()
        return f"{self.path}:{self.line}: {source[self.start : self.end].decode()!r} → {self.text!r}"

    def applied(self) -> bytes:
        source = self.path.read_bytes()
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: Path) -> Iterator[Mutant]:
    """All changes that are tried in this file."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    tree = ast.parse(source)
    decorators = {
        part
        for node in ast.walk(tree)
        for decorator in getattr(node, "decorator_list", [])
        for part in ast.walk(decorator)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt) and node not in decorators:
            start, end = place(node)
            for text in _changes(node):
                yield Mutant(path, node.lineno, start, end, text)


def _changes(node: ast.expr | ast.stmt) -> Iterator[str]:
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARISONS:
            yield f"({ast.unparse(left)} {COMPARISONS[type(operator)]} {ast.unparse(right)})"
        case ast.BoolOp(operator, values):
            word = " or " if isinstance(operator, ast.And) else " and "
            yield "(" + word.join(f"({ast.unparse(value)})" for value in values) + ")"
        case ast.UnaryOp(ast.Not(), operand):
            yield f"bool({ast.unparse(operand)})"
        case ast.BinOp(left, operator, right) if type(operator) in SIGNS:
            yield f"({ast.unparse(left)} {SIGNS[type(operator)]} {ast.unparse(right)})"
        case ast.Constant(bool() as value):
            yield str(not value)
        case ast.Constant(int() | float() as value):
            yield f"({value} + 1)"
        case ast.If(test) | ast.IfExp(test):
            yield from _instead_of(node, test)
        case ast.Raise() | ast.Expr(ast.Call()) | ast.AugAssign() | ast.Delete():
            yield "pass"
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield "pass"


def _instead_of(node: ast.If | ast.IfExp, test: ast.expr) -> Iterator[str]:
    """The same choice, made without looking."""
    for word in ("True", "False"):
        if isinstance(node, ast.IfExp):
            body, orelse = ast.unparse(node.body), ast.unparse(node.orelse)
            yield f"({body} if {word} else {orelse})"
            continue
        copy = ast.If(ast.Constant(word == "True"), node.body, node.orelse)
        yield ast.unparse(ast.fix_missing_locations(copy)).replace("\n", "\n" + " " * node.col_offset)


def survives(mutant: Mutant, tests: list[str], copies: SimpleQueue[Path]) -> bool:
    """Whether all tests pass with this mutant."""
    copy = copies.get()
    target = copy / mutant.path.relative_to(ROOT)
    original = target.read_bytes()
    try:
        target.write_bytes(mutant.applied())
        return _all_pass(copy, tests)
    finally:
        target.write_bytes(original)
        copies.put(copy)


def _all_pass(copy: Path, tests: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="a file or folder under src/")
    parser.add_argument("tests", nargs="+", help="what pytest runs for each change")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try each Nth only")
    given = parser.parse_args()
    source = given.source.resolve()
    paths = sorted(source.rglob("*.py")) if source.is_dir() else [source]
    tried = [mutant for path in paths for mutant in mutants(path)][:: given.every]
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(JOBS):
            copies.put(_copy(Path(folder) / str(number)))
        with ThreadPoolExecutor(JOBS) as threads:
            alive = 0
            for mutant, survived in zip(
                tried, threads.map(lambda each: survives(each, given.tests, copies), tried), strict=True
            ):
                alive += survived
                if survived:
                    sys.stdout.write(f"{mutant}\n")
                    sys.stdout.flush()
    sys.stdout.write(f"{alive} of {len(tried)} were not noticed\n")


def _copy(target: Path) -> Path:
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


if __name__ == "__main__":
    main()
