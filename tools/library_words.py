"""The sentences of the library: every text that can become the words of an error or of what a client tells.

The library speaks English, and the window says its sentences in the language of whoever looks at it
(`talk.apps.desktop.said`). For that it needs them as templates: f"{name} is here" is "{name} is here". They are read
from the code by following what an error or an event is made of: constants, f-strings, what a function of the same file
returns, what is given to it. So nothing has to be marked, and nothing can be forgotten.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ERRORS = {"ClientError", "EncryptionError", "LocalError", "LinkError", "Refused", "ServeError"}
EVENTS = {"Notice", "Offline", "Ended", "Comparing"}
ASKING = {"ask", "warn"}  # what the vault is given
_FIELD = re.compile(r"\{(\w+)[^{}]*\}")


def sentences(paths: Iterable[Path], tables: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The templates in these files, sorted. `tables` names more constants and enums, by the end of a file's path."""
    files = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    spoken = _errors(files.values()) | EVENTS | ASKING
    found: set[str] = set()
    for path, tree in files.items():
        module = _Module(tree)
        for node in ast.walk(tree):
            if (isinstance(node, ast.Call) and _called(node) in spoken) or _is_super(node):
                assert isinstance(node, ast.Call)
                for value in (*node.args, *(keyword.value for keyword in node.keywords)):
                    found.update(module.texts(value))
        for end, names in tables.items():
            if path.as_posix().endswith(end):
                found.update(text for name in names for text in module.constant(name))
    return sorted(found)


def _errors(trees: Iterable[ast.Module]) -> set[str]:
    """The names of all classes that come from ERRORS."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = set(ERRORS)
    while more := {each.name for each in classes if {_name(base) for base in each.bases} & known} - known:
        known |= more
    return known


class _Module:
    """Follows values through one file."""

    def __init__(self, tree: ast.Module) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        self._returned: dict[str, list[ast.expr]] = {}
        self._parameters: dict[str, list[tuple[str, int]]] = {}
        self._calls: dict[str, list[ast.Call]] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(name)], value=value):
                    self._values.setdefault(name, []).append(value)
                case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                    self._values.setdefault(name, []).append(value)
                case ast.Call(func=ast.Attribute(value=ast.Name(name), attr="append"), args=[value]):
                    self._values.setdefault(name, []).append(value)
                case ast.ClassDef():
                    items = [each.value for each in node.body if isinstance(each, ast.Assign)]
                    self._values.setdefault(node.name, []).extend(items)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._take_function(node)
            if isinstance(node, ast.Call):
                self._calls.setdefault(_called(node), []).append(node)

    def _take_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value is not None]
        self._returned.setdefault(node.name, []).extend(returned)
        names = [each.arg for each in node.args.args if each.arg != "self"]
        for place, name in enumerate(names):
            self._parameters.setdefault(name, []).append((node.name, place))

    def constant(self, name: str) -> Iterator[str]:
        for value in self._values[name]:
            yield from self.texts(value)

    def texts(  # noqa: C901 - one case for each sort of value
        self, node: ast.expr, *, inside: bool = False, seen: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        """Every text that this value may be, and those that may stand inside it."""
        match node:
            case ast.Constant(str(text)):
                if _is_words(text, inside=inside):
                    yield _FIELD.sub(r"{\1}", text)
            case ast.JoinedStr():
                yield from _template(node)
                for part in node.values:
                    if isinstance(part, ast.FormattedValue):
                        yield from self.texts(part.value, inside=True, seen=seen)
            case ast.IfExp(body=one, orelse=other):
                yield from self._all((one, other), inside, seen)
            case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values) | ast.Dict(values=values):
                yield from self._all(values, inside, seen)
            case ast.BinOp(left=one, right=other):
                yield from self._all((one, other), inside, seen)
            case ast.Subscript(value=value):
                yield from self.texts(value, inside=inside, seen=seen)
            case ast.Name(name) if name not in seen:
                # A single word in a constant is a file or a scheme.
                yield from self._all(self._named(name), inside and not name.isupper(), seen | {name})
            case ast.Call(func=ast.Attribute(value=ast.Constant(str(between)), attr="join"), args=[joined]):
                if between.strip(" ,"):
                    yield f"{{first}}{between}{{rest}}"
                yield from self.texts(joined, inside=True, seen=seen)
            case ast.Call(func=ast.Attribute(value=value, attr="format")):
                yield from self.texts(value, inside=inside, seen=seen)
            case ast.Call() if (name := _called(node)) not in seen:
                yield from self._all(self._returned.get(name, []), inside, seen | {name})

    def _all(self, nodes: Iterable[ast.expr], inside: bool, seen: frozenset[str]) -> Iterator[str]:
        for node in nodes:
            yield from self.texts(node, inside=inside, seen=seen)

    def _named(self, name: str) -> Iterator[ast.expr]:
        """What this name may hold: what it was set to, or what functions with such a parameter are given."""
        yield from self._values.get(name, [])
        for function, place in self._parameters.get(name, []):
            for call in self._calls.get(function, []):
                yield from call.args[place : place + 1]
                yield from (keyword.value for keyword in call.keywords if keyword.arg == name)


def _called(node: ast.Call) -> str:
    return _name(node.func)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_super(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name("super")), attr="__init__")):
            return True
    return False


def _is_words(text: str, *, inside: bool) -> bool:
    """Whether this is for people; a code or a name of a file is not."""
    return " " in text.strip() or (inside and text.isalpha() and text.islower())


def _template(node: ast.JoinedStr) -> Iterator[str]:
    parts: list[str] = []
    fields: dict[str, str] = {}
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            name = _field(part.value)
            while fields.setdefault(name, ast.dump(part.value)) != ast.dump(part.value):
                name += "2"
            parts.append(f"{{{name}}}")
        else:
            assert isinstance(part, ast.Constant)
            parts.append(str(part.value))
    if _FIELD.sub("", "".join(parts)).strip():
        yield "".join(parts)


def _field(node: ast.expr) -> str:
    """A name for what is put into a text."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) if name != "__name__":
            return name.lower().strip("_")
        case ast.BoolOp(values=[first, *_]) | ast.Subscript(value=first) | ast.Call(args=[first, *_]):
            return _field(first)
    return "text"
