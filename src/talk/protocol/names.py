"""What may be a name, when two names are the same, and where a name ends in a line that starts with @.

A name is one to 32 letters, marks and digits of one writing, with single `_ . -` between them. PRECIS
UsernameCaseMapped (RFC 8265) checks characters, case and direction; it alone would let pass `bob:`, `../x` and names
in two scripts, so the grammar here is narrower. Two names are the same when they look the same (UTS 39, section 4), in
any mix of capitals, because names are shown as they were typed: i, l and 1 count as one letter, and so do m and rn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from itertools import islice

import regex  # type: ignore[import-untyped]
from precis_i18n import get_profile
from precis_i18n.profile import Profile

from talk.protocol.errors import Code, Refused
from talk.protocol.limits import MAX_NAME_POINTS
from talk.protocol.text import is_visible, starts_with_at

MAX_TYPED = 4 * MAX_NAME_POINTS  # a longer input is not looked at; normalizing can shorten this one to a name
MAX_SUGGESTIONS = 3

_SHOWN = get_profile("UsernameCasePreserved")
_MAPPED = get_profile("UsernameCaseMapped")

# UAX 31, tables 5 and 7: the scripts in modern use. UTS 39, section 5.1: East Asian writings use several together.
_SCRIPTS = """
    Arabic Armenian Bengali Bopomofo Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Hangul Han Hebrew
    Hiragana Kannada Katakana Khmer Lao Latin Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan
    Adlam Balinese Bamum Batak Canadian_Aboriginal Chakma Cham Cherokee Hanifi_Rohingya Javanese Kayah_Li Lepcha Limbu
    Lisu Mandaic Meetei_Mayek Miao Mongolian New_Tai_Lue Newa Nko Nyiakeng_Puachue_Hmong Ol_Chiki Osage Saurashtra
    Sundanese Syloti_Nagri Syriac Tai_Le Tai_Tham Tai_Viet Tifinagh Vai Wancho Yi
"""
_TOGETHER = ("Han Hiragana Katakana", "Han Hangul", "Han Bopomofo")
_WRITINGS = [*_SCRIPTS.split(), *_TOGETHER]

_LETTER = r"\p{L}\p{M}\p{Nd}\u200c\u200d"
_NAME = regex.compile(rf"[{_LETTER}]++(?:[_.\-][{_LETTER}]++)*+")
_NOT_IN_NAMES = regex.compile(
    rf"[^{_LETTER}_.\-]"
    # Modifier letters, clicks and glottal stops that look like punctuation: `bobː` is not `bob:`.
    r"|[\u01c0-\u01c3\u0241\u0242\u0294\u02b0-\u02ff\ua700-\ua721\ua778\ua788-\ua78f]"
    # Marks that strike letters out or stand for symbols, and a letter that is like s when small and like 5 when not.
    r"|[\u0334-\u0338\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u01bc\u01bd]"
)
_ONE_WRITING = regex.compile(
    "|".join(
        "[" + "".join(rf"\p{{scx={script}}}" for script in f"{writing} Common Inherited".split()) + "]+"
        for writing in _WRITINGS
    )
)
_TOO_MANY_MARKS = regex.compile(r"\p{Mn}{5}|(\p{Mn})\1")  # UTS 39, section 5.4
_SOFT_DOT = regex.compile(r"([ij]\p{Mn}*)\u0307")
# Greek that reads as Latin, with a capital that is like another Latin letter than its small one (tools/confusables.py).
_GREEK_AS_LATIN = regex.compile(r"(?=.*[ΝΥΎΫ])[ΑΒΕΖΗΙΚΜΝΟΡΤΥΧΆΈΉΊΌΎΫαγικνορυ\p{Mn}\p{Nd}_.\-]+")
# The marks within names, as wide as a Chinese letter: PRECIS makes them narrow, and they are looked at before.
_USUAL_WIDTH = str.maketrans("．＿－", "._-")
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))

_HIDDEN = regex.compile(r"\p{Cf}*+")
_AFTER_NAME = regex.compile(r"[.,:;!?…·\-–—_，．：；！？。、،؛؟।॥\p{Cf}]*+")
_PARTS_WORDS = regex.compile(r"[,:;!?…，：；！？。、،؛؟।॥]+")  # not . _ - which are found in names, maybe mistyped
_ASKS = regex.compile(r"[!?！？؟]")
_WORD = regex.compile(r"\S*+")
_GAP = regex.compile(r"(?:\s*\n|\s+)?")

_RESERVED_WORDS = ("lobby", "server", "system", "everyone", "all", "here", "owner", "admin", "talk", "me", "you")
_NOT_RESERVED = frozenset({"ali", "Ali", "ALI"})  # looks like "all" only with another mix of capitals


def check_name(typed: str) -> str:
    """The name as it is shown: without outer white space, widths made usual, NFC, capitals kept.

    Errors: Refused with NAME_INVALID or NAME_RESERVED.
    """
    _require(len(typed) <= MAX_TYPED, f"it is longer than {MAX_NAME_POINTS} characters")
    name = typed.strip()
    _require(name != "", "it is empty")
    _require(not starts_with_at(name), "leave out the @")
    shown = _enforced(_SHOWN, name)
    _check_shape(shown)
    _check_look(shown)
    if skeleton(shown) in _reserved() and shown not in _NOT_RESERVED:
        raise Refused(Code.NAME_RESERVED, name=shown)
    return shown


def folded(name: str) -> str:
    """The one spelling of a name that does not depend on capitals. A typed name is somebody's if this is equal.

    Errors: Refused with NAME_INVALID for what PRECIS does not allow.
    """
    _require(len(name) <= MAX_TYPED, f"it is longer than {MAX_NAME_POINTS} characters")
    return _enforced(_MAPPED, name)


def skeleton(name: str) -> str:
    """What may be taken only once: equal for names that differ in case only, or that look alike. Not for showing.

    Errors: Refused with NAME_INVALID for what PRECIS does not allow.
    """
    letters = unicodedata.normalize("NFD", folded(name)).translate(_JOINERS)
    return str(_SOFT_DOT.sub(r"\1", unicodedata.normalize("NFD", letters.translate(_look_alikes()))))


def suggestions(name: str, is_free: Callable[[str], bool]) -> tuple[str, ...]:
    """Up to three valid names like this one that are free; none when this one is not valid itself."""
    try:
        shown = check_name(name)
    except Refused:
        return ()
    candidates = (_with_ending(shown, ending) for ending in _endings(shown))
    return tuple(islice((each for each in candidates if _is_valid(each) and is_free(each)), MAX_SUGGESTIONS))


def split_address(line: str) -> tuple[str, str] | None:
    """For a line that starts with @: the name after it, as typed, and the text for that person. None for other lines.

    Punctuation after the name is not part of it: "@bob, hi" says hi to bob, and "@bob?" says "?". The name is "" when
    there is none, and the whole word when something else follows it at once ("@bob's", "@bob__x"), so that it is
    refused and not sent to bob. Neither has been checked.
    """
    if not starts_with_at(line):
        return None
    start = next(place for place, char in enumerate(line) if is_visible(char)) + 1
    start = _end(_HIDDEN, line, start)
    found = _NAME.match(line, start)
    if found is None:
        return "", line[start:].strip()
    end = _end(_AFTER_NAME, line, found.end())
    marks = line[found.end() : end]
    glued = line[end : end + 1].strip() != ""
    if glued and not _PARTS_WORDS.fullmatch(marks):
        end = _end(_WORD, line, start)
        return line[start:end][:MAX_TYPED], _text(line, end)
    text = _text(line, end)
    return found[0][:MAX_TYPED], text or (marks if _ASKS.search(marks) else "")


def _check_shape(shown: str) -> None:
    """The grammar: how many characters, and in which order. Which ones was looked at before PRECIS."""
    _require(len(shown) <= MAX_NAME_POINTS, f"it is longer than {MAX_NAME_POINTS} characters")
    _require(_NAME.fullmatch(shown) is not None, "dots, lines and dashes may stand between letters only, one at a time")
    _require(not unicodedata.category(shown[0]).startswith("M"), "it begins with an accent that has no letter")
    _require(any(char.isalpha() for char in shown), "it needs at least one letter")


def _check_look(shown: str) -> None:
    """What would make a name look like something else than it is."""
    _require(
        _ONE_WRITING.fullmatch(shown) is not None, "use the letters of one living language; mixed ones can look alike"
    )
    _require(len(_zeros(shown)) <= 1, "its digits belong to different languages")
    marks = _TOO_MANY_MARKS.search(unicodedata.normalize("NFD", shown))
    _require(marks is None, "it has too many accents on one letter")
    greek = _GREEK_AS_LATIN.fullmatch(shown)
    _require(greek is None, "in capitals it looks like Latin letters; please write it in small ones")


def _enforced(profile: Profile, name: str) -> str:
    """What PRECIS makes of a name. Length and letters come first: its rules for some of them look at all the others."""
    bad = _NOT_IN_NAMES.search(name.translate(_USUAL_WIDTH))
    if bad:
        usual = unicodedata.normalize("NFKC", bad[0])
        raise _invalid(_why_not(usual if len(usual) == 1 else bad[0]))
    composed = unicodedata.normalize("NFKC", name)  # several typed characters may be one letter
    _require(len(composed) <= MAX_NAME_POINTS, f"it is longer than {MAX_NAME_POINTS} characters")
    try:
        return str(profile.enforce(name))
    except UnicodeEncodeError as error:
        char = error.object[error.start : error.end]
        if "bidi" in error.reason:
            raise _invalid("letters that are written from the right cannot be mixed with others") from None
        raise _invalid(_why_not(char) if len(char) == 1 else "its letters do not go together") from None


def _why_not(char: str) -> str:
    if char.isspace():
        return "it has a space in it; use _ instead"
    if not is_visible(char):
        return "it has an invisible or unfinished character in it"
    return f"{char} cannot be part of a name; letters, digits and single . _ - between them can"


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise _invalid(detail)


def _invalid(detail: str) -> Refused:
    return Refused(Code.NAME_INVALID, detail=detail)


def _zeros(shown: str) -> set[int]:
    """Where the digits of this name count from: one place per system of digits."""
    return {ord(char) - unicodedata.decimal(char) for char in shown if unicodedata.category(char) == "Nd"}


@cache
def _look_alikes() -> dict[int, str]:
    rows = files("talk.protocol").joinpath("confusables.tsv").read_text("utf-8").splitlines()
    pairs = (row.split("\t") for row in rows if not row.startswith("#"))
    return {int(char, 16): "".join(chr(int(part, 16)) for part in look.split()) for char, look in pairs}


@cache
def _reserved() -> frozenset[str]:
    return frozenset(skeleton(word) for word in _RESERVED_WORDS)


def _endings(shown: str) -> list[str]:
    zero = next(iter(_zeros(shown)), ord("0"))
    digits = [chr(zero + number) for number in range(2, 10)]
    joined = [] if unicodedata.category(shown[-1]) == "Nd" else digits
    return [ending for digit in digits for ending in ((digit, f"_{digit}") if joined else (f"_{digit}",))]


def _with_ending(shown: str, ending: str) -> str:
    return shown[: MAX_NAME_POINTS - len(ending)].rstrip("_.-\u200c\u200d") + ending


def _is_valid(name: str) -> bool:
    try:
        check_name(name)
    except Refused:
        return False
    return True


def _end(pattern: regex.Pattern[str], line: str, start: int) -> int:
    """Where this pattern, which matches the empty string too, ends when it begins at `start`."""
    return int(pattern.match(line, start).end())


def _text(line: str, end: int) -> str:
    """The rest without the gap after the name. A text that begins on a line of its own keeps its indent."""
    return line[_end(_GAP, line, end) :].rstrip()
