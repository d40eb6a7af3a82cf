"""Who is connected, as the server tells it: the whole once, then differences."""

from __future__ import annotations

import difflib
import unicodedata

from talk.protocol import events
from talk.protocol.limits import MAX_NAME_POINTS
from talk.protocol.text import is_visible

_INSIDE_NAMES = frozenset("\u200c\u200d")  # joiners, which several writings need


def shown_name(name: str) -> str:
    """A name as the server gave it, made into one that cannot look like anything but a name."""
    cut = name[:MAX_NAME_POINTS]
    return "".join(char if _may_be_in_a_name(char) else "\ufffd" for char in cut)


def _may_be_in_a_name(char: str) -> bool:
    return is_visible(char) or char in _INSIDE_NAMES or unicodedata.category(char).startswith("M")


class People:
    """`here` maps connected accounts to their names; `names` every account that was ever told of."""

    def __init__(self) -> None:
        self.here: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.complete = False
        self._gathering: dict[str, str] = {}
        self._listing = ("", 0)

    def take(self, event: events.People | events.Presence) -> tuple[list[str], dict[str, str]]:
        """Take in a whole or a difference: accounts that came since, and those that left with their names."""
        before = dict(self.here)
        match event:
            case events.People():
                listing = (event.id, event.version)
                if listing != self._listing:
                    # The frames before belong to a connection that ended in the middle of them.
                    self._gathering, self._listing = {}, listing
                self._gathering.update({person.account: shown_name(person.name) for person in event.people})
                if not event.last:
                    return [], {}
                self.here, self._gathering = self._gathering, {}
            case events.Presence():
                self.here.update({person.account: shown_name(person.name) for person in event.here})
                for account in event.left:
                    self.here.pop(account, None)
        self.names.update(self.here)
        first, self.complete = not self.complete, True
        if first:
            return [], {}
        came = [account for account in self.here if account not in before]
        return came, {account: name for account, name in before.items() if account not in self.here}

    def heard(self, shown: dict[str, str]) -> set[str]:
        """Take note of names, account → name; which of these people were known by another name until now."""
        renamed = {account for account, name in shown.items() if name and self.names.get(account, name) != name}
        self.names.update({account: shown[account] for account in renamed})
        return renamed

    def users(self) -> tuple[str, ...]:
        """The names of those who are connected, sorted."""
        return tuple(sorted(name for name in self.here.values() if name))

    def like(self, name: str) -> tuple[str, ...]:
        """Known names that look like this one, at most three."""
        known = {other.casefold(): other for other in self.names.values() if other}
        return tuple(known[match] for match in difflib.get_close_matches(name.casefold(), known, 3, 0.6))
