"""The words of the window in the person's language: English, Hinglish or Hindi (gettext)."""

from __future__ import annotations

import gettext
import locale
import time
from datetime import MAXYEAR
from pathlib import Path

LANGUAGES = {"en": "English", "hi_Latn": "Hinglish", "hi": "हिन्दी"}
FOLDER = Path(__file__).parent / "languages"
DOMAIN = "talk"
SAID = "said"  # the context of what the library says

_used: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def use_language(code: str) -> None:
    """Speak this language from now on; what is on the screen already stays as it is."""
    global _used, _language
    _language = code
    _used = gettext.translation(DOMAIN, FOLDER, [code], fallback=True)


def language() -> str:
    """The code of the language that is spoken now."""
    return _language


def library_sentences() -> list[str]:
    """The library's sentences that can be said in this language, as templates; none in English."""
    known = getattr(_used, "_catalog", {})  # gettext has no other way to ask
    return [key.removeprefix(f"{SAID}\x04") for key in known if isinstance(key, str) and key.startswith(f"{SAID}\x04")]


def system_language() -> str:
    """The language of this computer's user, as far as we speak it."""
    try:
        code = (locale.getlocale()[0] or "").partition("_")[0].lower()
    except ValueError:  # some systems have a language that Python cannot read
        return "en"
    return "hi" if code in ("hi", "hindi") else "en"


def _(text: str) -> str:
    return _used.gettext(text)


def later(text: str) -> str:
    """Marks a text that is translated where it is shown."""
    return text


def ngettext(one: str, many: str, number: int) -> str:
    return _used.ngettext(one, many, number)


def pgettext(context: str, text: str) -> str:
    return _used.pgettext(context, text)


def months() -> tuple[str, ...]:
    return (
        _("January"),
        _("February"),
        _("March"),
        _("April"),
        pgettext("month", "May"),
        _("June"),
        _("July"),
        _("August"),
        _("September"),
        _("October"),
        _("November"),
        _("December"),
    )


def weekdays() -> tuple[str, ...]:
    """From Monday, short."""
    return (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))


def local_time(at: int) -> time.struct_time:
    """The time here; `at` in milliseconds since 1970."""
    try:
        there = time.localtime(at / 1000)
    except (OverflowError, OSError, ValueError):  # a server may say any number
        return time.localtime(0)
    return there if 0 < there.tm_year <= MAXYEAR else time.localtime(0)


def clock(at: int) -> str:
    """The time of day; `at` in milliseconds since 1970."""
    return time.strftime("%H:%M", local_time(at))


def days_ago(at: int) -> int:
    """How many midnights lie between then and now; negative for what is still to come."""
    then, now = local_time(at), time.localtime()
    start = [time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 12, 0, 0, 0, 0, -1)) for day in (then, now)]
    return round((start[1] - start[0]) / 86_400)


def day_words(at: int) -> str:
    """The day, as a person says it."""
    ago, then = days_ago(at), local_time(at)
    if ago == 0:
        return _("Today")
    if ago == 1:
        return _("Yesterday")
    day = _("{day} {month}").format(day=then.tm_mday, month=months()[then.tm_mon - 1])
    return day if then.tm_year == time.localtime().tm_year else f"{day} {then.tm_year}"


def short_time(at: int) -> str:
    """For a list: the time of day today, the day of the week for a week, then the date."""
    ago, then = days_ago(at), local_time(at)
    if ago <= 0:
        return clock(at)
    if ago < 7:
        return weekdays()[then.tm_wday]
    return f"{then.tm_mday}.{then.tm_mon}.{then.tm_year % 100:02}"


def full_time(at: int) -> str:
    """Day and time to the second."""
    return f"{day_words(at)}, {time.strftime('%H:%M:%S', local_time(at))}"
