"""Fingerprints: which failures are alike. Pure: the texts of a failure in, a short hash out.

Alike are failures of one kind, with one type of error, in one place: the innermost function of the handler's own code.
Line numbers do not count, so that an edit does not split a group, nor does where the code is installed. What has no
place (a time that was up, a lost worker, a child that failed) is told apart by its message, without what differs from
one time to the next: numbers, ids, quoted text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

LENGTH = 16
MESSAGE_LENGTH = 200
READ_LENGTH = 2_000
PLACELESS = frozenset({"TimedOut", "WorkerLost", "Expired", "ChildFailed"})
"""Errors that strike wherever the handler happens to be: their place says nothing."""

HEADERS = ("Traceback (most recent call last):", "+ Exception Group Traceback (most recent call last):")
FRAME = re.compile(r'File "(?P<path>[^"\n]+)", line \d+, in (?P<function>\S+)')
LIBRARY = re.compile(r"/(?:site|dist)-packages/|/lib\d*/python\d[^/]*/|^<|/jobs_app/")
OURS = re.compile(r"/jobs_app/")
INSTALLED = re.compile(r".*/(?:site|dist)-packages/")
NAMED_PARTS = 3
"""Of a file's path so many parts count, from its end: releases live in directories of their own."""

VARYING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!\w)'[^'\n]*'(?!\w)"), "'…'"),
    (re.compile(r'"[^"\n]*"'), '"…"'),
    (re.compile(r"`[^`\n]*`"), "`…`"),
    (re.compile(r"“[^”\n]*”"), "“…”"),
    (re.compile(r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "#"),
    (re.compile(r"(?i)\b0x[0-9a-f]+\b"), "#"),
    (re.compile(r"(?i)\b(?=[a-f]*\d)[0-9a-f]{8,}\b"), "#"),
    (re.compile(r"\d+"), "#"),
    (re.compile(r"#(?:[.,:_+-]?#)+"), "#"),
    (re.compile(r"\s+"), " "),
)


class Status(StrEnum):
    """What people have made of a group of failures."""

    OPEN = "open"
    REGRESSED = "regressed"
    """It was resolved, and has been seen again: open once more."""
    RESOLVED = "resolved"
    IGNORED = "ignored"
    """Nobody is to be told of it, for good or until a time."""


UNSOLVED = (Status.OPEN, Status.REGRESSED)


class Frame(NamedTuple):
    """A line of a traceback."""

    path: str
    function: str


class Fault(NamedTuple):
    """A failure as it is stored."""

    kind: str
    error_type: str
    error: str
    traceback: str = ""

    @property
    def place(self) -> str:
        """``file:function`` of the innermost frame of the handler's own code; empty where that says nothing."""
        if self.error_type in PLACELESS:
            return ""
        frames = list(_frames(self.traceback))
        own = [each for each in frames if not LIBRARY.search(each.path)] or _own_package(frames)
        return f"{_short(own[-1].path)}:{own[-1].function}" if own else ""

    @property
    def fingerprint(self) -> str:
        """16 hex digits, the same for failures that are alike."""
        place = self.place or message(self.error)
        text = "\0".join((self.kind, self.error_type, place))
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:LENGTH]


def of(kind: str, error_type: str, error: str, traceback: str = "") -> str:
    """The fingerprint of a failure."""
    return Fault(kind, error_type, error, traceback).fingerprint


def message(text: str) -> str:
    """A message without what differs from one time to the next, at most 200 characters of it."""
    text = text[:READ_LENGTH]
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.strip()[:MESSAGE_LENGTH].rstrip()


def _frames(traceback: str) -> Iterator[Frame]:
    """The frames of the error itself, outermost first: not of those that led to it, nor of a group's members."""
    lines = traceback.splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith(HEADERS[0])]
    grouped = [place for place, line in enumerate(lines) if line.strip() == HEADERS[1]]
    for line in lines[(starts or grouped[:1] or [len(lines)])[-1] + 1 :]:
        inner = line.removeprefix("  | ") if grouped and not starts else line
        if not inner.startswith(" "):
            return  # the error's own words: what they look like is up to whoever raised it
        found = FRAME.match(inner.strip())
        if found:
            yield Frame(found["path"].replace("\\", "/"), found["function"])


def _own_package(frames: Sequence[Frame]) -> list[Frame]:
    """Where nothing but libraries is to be seen, the handler is one itself: the frames of its package."""
    theirs = [each for each in frames if not OURS.search(each.path)]
    if not theirs:
        return []
    package = INSTALLED.sub("", theirs[0].path).split("/")[0]
    return [each for each in theirs if INSTALLED.sub("", each.path).split("/")[0] == package]


def _short(path: str) -> str:
    """The end of a path, as far back as its parts are names of packages."""
    parts = INSTALLED.sub("", path).split("/")
    kept = parts[-1:]
    for part in reversed(parts[:-1]):
        if len(kept) == NAMED_PARTS or not part.isidentifier():
            break
        kept.insert(0, part)
    return "/".join(kept)
