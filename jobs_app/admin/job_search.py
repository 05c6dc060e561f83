"""What the list of jobs shows, as a search: so that a bulk action may mean all of it, and not a page."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import QueryDict

from jobs_app import searching
from jobs_app.admin.filters import CreatedFilter
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import State

SAID = frozenset({"state", "kind", "queue", "created", "parent__id__exact"})
"""Filters of the list that a search can say."""

OF_THE_PAGE = frozenset({"p"})


def search_of(shown: QueryDict) -> str:
    """The search that finds what the list's address shows; empty for every job.

    Raises InvalidRequest if it shows less than a search can say: more than is shown must never be meant.
    """
    unsaid = [name for name in shown if name not in SAID | OF_THE_PAGE and any(shown.getlist(name))]
    if unsaid:
        words = ", ".join("the search" if name == "q" else name for name in unsaid)
        raise InvalidRequest(
            f"expected a list filtered by state, kind, queue or age alone, to act on all of it, got {words[:200]} as "
            "well; tick jobs, or search on the console"
        )
    states = [value for value in shown.getlist("state") if value in set(State)]
    wanted = JobFilter(
        states=tuple(map(State, states)),
        kind=shown.get("kind", ""),
        queue=shown.get("queue", ""),
        parent=_parent(shown.get("parent__id__exact", "")),
        created_after=_age(shown.get("created", "")),
    )
    wanted.check()
    return searching.text_of(wanted)


def _parent(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InvalidRequest(f"expected the id of a job as parent, got {text[:64]!r}") from None


def _age(text: str) -> timedelta | None:
    return CreatedFilter.SPANS[text][1] if text in CreatedFilter.SPANS else None
