"""Where somebody is in the list of jobs: a search, columns and a page, all of which stand in the address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import QueryDict

from jobs_app import searching
from jobs_app.criteria import JobFilter
from jobs_app.searching import Word
from jobs_app.web import columns

PARTS = ("state", "kind", "queue", "owner", "who", "tag", "param", "fingerprint", "parent", "since", "before")
"""Parts of a search that a form, or a link, may give by themselves; they are put into the text."""

MINE, EVERYONE = "mine", "everyone"
OWN = JobFilter(spawned=False)
"""What is shown before anything was asked for. What a job spawned is left out: a thousand would hide all else."""


@dataclass(frozen=True)
class Address:
    """The values of an address. ``columns``: empty for the usual ones."""

    text: str
    columns: tuple[str, ...] = ()
    cursor: str = ""

    @classmethod
    def of(cls, given: QueryDict, *, operator: bool) -> Address:
        """From a query string; ``operator``: may see all jobs, and begins with their own. Raises InvalidRequest."""
        text = given.get("q", "") if "q" in given else searching.text_of(replace(OWN, mine=operator))
        return cls(_with_parts(text, given), columns.chosen(given.getlist("columns")), given.get("cursor", ""))

    @property
    def query(self) -> str:
        """As a query string, with its question mark."""
        values = {"q": self.text, "columns": ",".join(self.columns), "cursor": self.cursor}
        return "?" + urlencode({name: value for name, value in values.items() if value or name == "q"})

    def search(self, wanted: JobFilter) -> str:
        """The query string of another search with the same columns, from its beginning."""
        return replace(self, text=searching.text_of(wanted), cursor="").query

    def page(self, cursor: str | None) -> str:
        """The query string of another page of the same list; None is the first."""
        return replace(self, cursor=cursor or "").query


def in_parts(given: QueryDict) -> bool:
    """Whether some of the search is not in its text yet."""
    return any(name in given for name in PARTS)


def _with_parts(text: str, given: QueryDict) -> str:
    if not in_parts(given):
        return text
    # The jobs that one spawned are a list of their own, whoever they belong to.
    words = [] if given.get("parent") else searching.words(text)
    for name in PARTS:
        typed = [each.strip() for each in given.getlist(name) if each.strip()]
        if name == "who" and typed:
            words = [each for each in words if not each.mine]
            words += [Word("owner", searching.ME)] if typed == [MINE] else []
        elif name == "param":
            words += [_parameter(each) for each in typed]
        elif typed:
            # Another tag is one more; anything else takes the place of what was there.
            words = [each for each in words if name == "tag" or each.name != name]
            words += [Word(name, each) for each in typed]
    return " ".join(dict.fromkeys(map(str, words)))


def _parameter(typed: str) -> Word:
    name, _, value = typed.partition("=")
    return Word(searching.PARAM + name.strip(), value.strip(), quoted=not value.strip())
