"""Saying which jobs are meant in a line of text, as people type, share and keep it.

``state:failed kind:datasets.aggregate param.measure:delay since:2d``: qualifiers, all of which must hold. The page's
address, the API, the command line and saved views have the same text. ``parse`` reads it, ``text_of`` writes it.

A qualifier is ``name:value``. A value with spaces stands in double quotes, in which ``\\"`` and ``\\\\`` stand for the
characters themselves. They may come in any order. ``state``, ``tag`` and ``param`` may be repeated: a job has one of
the states, and all of the tags and parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from jobs_app.criteria import JobFilter, Moment
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import UNFINISHED, State

__all__ = ["JobFilter", "Word", "moment", "parse", "text_of", "words", "words_of"]

TEXT_LENGTH = 1000
NAMES = (
    "state", "kind", "queue", "owner", "tag", "param.NAME", "fingerprint", "parent", "spawned", "since", "before",
)  # fmt: skip
ACTIVE = "active"
"""Stands for every state that is not an end."""

ME = "@me"
"""The owner who asks; in quotes, a user of that name."""

PARAM = "param."
WORD = re.compile(r'\s*([^\s:"\\]+):(?:"((?:[^"\\]|\\["\\])*)"|([^\s"]*))(?=\s|$)')
AGO = re.compile(r"(\d{1,9})([smhdw])")
UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
WHEN = "a time such as 2h, 7d, 2030-01-31 or 2030-01-31T09:00 (in UTC unless it says otherwise)"


@dataclass(frozen=True)
class Word:
    """One qualifier as it was typed."""

    name: str
    value: str
    quoted: bool = False

    @property
    def mine(self) -> bool:
        """Whether it means the jobs of whoever asks."""
        return self.name == "owner" and self.value == ME and not self.quoted

    def __str__(self) -> str:
        plain = self.value and not re.search(r'[\s"\\]', self.value) and not self.quoted
        if plain:
            return f"{self.name}:{self.value}"
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}:"{escaped}"'


def parse(text: str) -> JobFilter:
    """The filter that a text describes; the empty text means every job.

    Raises InvalidRequest, in a sentence, for what is no qualifier, is not known, is said twice, or has a value that
    does not fit.
    """
    if len(text) > TEXT_LENGTH:
        raise InvalidRequest(f"expected a search of at most {TEXT_LENGTH:,} characters, got {len(text):,}")
    found, seen = JobFilter(), set[str]()
    for word in words(text):
        once = ME if word.mine else word.name
        if once in seen:
            raise InvalidRequest(f"expected {word.name} once, got it again with {word.value[:60]!r}")
        if word.name not in {"state", "tag"} and not word.name.startswith(PARAM):
            seen.add(once)
        found = _with(found, word)
    found.check()
    return found


def words(text: str) -> list[Word]:
    """The qualifiers of a text, in order, not looked at any closer. Raises InvalidRequest for what is none."""
    return list(_words(text))


def text_of(wanted: JobFilter) -> str:
    """The text of a filter, always in the same order: ``parse`` makes the same filter of it."""
    return " ".join(map(str, words_of(wanted)))


def words_of(wanted: JobFilter) -> list[Word]:
    """A filter as qualifiers."""
    made = [Word("state", each) for each in _states(wanted.states)]
    made += [Word(name, getattr(wanted, name)) for name in ("kind", "queue") if getattr(wanted, name)]
    if wanted.mine:
        made.append(Word("owner", ME))
    if wanted.owner:
        made.append(Word("owner", wanted.owner, quoted=wanted.owner == ME))
    made += [Word("tag", each) for each in wanted.tags]
    made += [Word(PARAM + name, value) for name, value in wanted.parameters]
    if wanted.fingerprint:
        made.append(Word("fingerprint", wanted.fingerprint))
    if wanted.parent is not None:
        made.append(Word("parent", str(wanted.parent)))
    if not wanted.spawned:
        made.append(Word("spawned", "no"))
    for name, moment in (("since", wanted.created_after), ("before", wanted.created_before)):
        if moment is not None:
            made.append(Word(name, _moment_text(moment)))
    return made


def _words(text: str) -> Iterator[Word]:
    place, end = 0, len(text.rstrip())
    while place < end:
        found = WORD.match(text, place)
        if found is None:
            rest = text[place:].split()[0][:60]
            raise InvalidRequest(
                f"expected qualifiers such as kind:datasets.aggregate, got {rest!r}; there are {', '.join(NAMES)}. "
                "A value with spaces stands in double quotes"
            )
        name, quoted, plain = found.groups()
        yield Word(name, plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted), quoted is not None)
        place = found.end()


def _with(found: JobFilter, word: Word) -> JobFilter:
    if word.name.startswith(PARAM) and len(word.name) > len(PARAM):
        if not word.value and not word.quoted:
            raise InvalidRequest(f'expected a value for {word.name}, got none; "" stands for an empty text')
        return replace(found, parameters=(*found.parameters, (word.name.removeprefix(PARAM), word.value)))
    take = _TAKEN.get(word.name)
    if take is None:
        raise InvalidRequest(f"expected one of the qualifiers {', '.join(NAMES)}, got {word.name[:60]!r}")
    if not word.value:
        raise InvalidRequest(f"expected a value for {word.name}, got none")
    return take(found, word)


def _with_state(found: JobFilter, word: Word) -> JobFilter:
    named: list[State] = []
    for each in word.value.split(","):
        if each != ACTIVE and each not in list(State):
            raise InvalidRequest(f"expected a state ({', '.join([ACTIVE, *State])}), got {each[:60]!r}")
        named += UNFINISHED if each == ACTIVE else [State(each)]
    return replace(found, states=(*found.states, *named))


def _with_owner(found: JobFilter, word: Word) -> JobFilter:
    if word.mine:
        return replace(found, mine=True)
    return replace(found, owner=word.value)


def _with_parent(found: JobFilter, word: Word) -> JobFilter:
    try:
        return replace(found, parent=UUID(word.value[:64]))
    except ValueError:
        raise InvalidRequest(f"expected the id of a job as parent, got {word.value[:64]!r}") from None


def _with_spawned(found: JobFilter, word: Word) -> JobFilter:
    if word.value not in {"yes", "no"}:
        raise InvalidRequest(f"expected spawned:yes or spawned:no, got {word.value[:60]!r}")
    return replace(found, spawned=word.value == "yes")


def moment(name: str, text: str) -> Moment:
    """A time, or how long ago, as it is typed after ``since:``. Raises InvalidRequest."""
    ago = AGO.fullmatch(text)
    try:
        if ago is not None:
            return timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"expected {name} with {WHEN}, got {text[:60]!r}") from None


def _moment_text(value: Moment) -> str:
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        unit = next(each for each, size in UNITS.items() if seconds % size == 0)
        return f"{seconds // UNITS[unit]}{unit}"
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _states(states: Iterable[State]) -> list[str]:
    chosen = list(states)
    if set(chosen) >= UNFINISHED:
        return [ACTIVE, *(each for each in chosen if each not in UNFINISHED)]
    return [*chosen]


_TAKEN: dict[str, Callable[[JobFilter, Word], JobFilter]] = {
    "state": _with_state,
    "kind": lambda found, word: replace(found, kind=word.value),
    "queue": lambda found, word: replace(found, queue=word.value),
    "owner": _with_owner,
    "tag": lambda found, word: replace(found, tags=(*found.tags, word.value)),
    "fingerprint": lambda found, word: replace(found, fingerprint=word.value),
    "parent": _with_parent,
    "spawned": _with_spawned,
    "since": lambda found, word: replace(found, created_after=moment("since", word.value)),
    "before": lambda found, word: replace(found, created_before=moment("before", word.value)),
}
