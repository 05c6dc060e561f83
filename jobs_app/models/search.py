"""From a filter to a query, for lists and for what is done to all that a list shows.

Lists go by id, newest first, and an id begins with the time at which it was made. So every part of a filter either
follows an index that ends with the id, or is common enough to be met soon.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db.models import Q

from jobs_app.criteria import JobFilter, parameter_terms, tag_term
from jobs_app.models.identity import first_id
from jobs_app.models.job import JobQuerySet
from jobs_app.models.term import Term

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

CLOCKS = timedelta(hours=1)
"""How far the clock that an id was made by may be from the database's, by which ``created_at`` is."""


def matching(
    rows: JobQuerySet, wanted: JobFilter, user: User | AnonymousUser | None, *, unreadable: Collection[str]
) -> JobQuerySet:
    """Those of ``rows`` that a filter means when ``user`` asks. Its times must be times: see ``JobFilter.at``.

    unreadable: kinds whose parameters this user sees of their own jobs only; a search by a parameter finds no others.

    Raises InvalidRequest for a filter that no job can fit.
    """
    wanted.check()
    if wanted.states:
        rows = rows.filter(state__in=wanted.states) if len(wanted.states) > 1 else rows.filter(state=wanted.states[0])
    for name in ("kind", "queue", "fingerprint"):
        if getattr(wanted, name):
            rows = rows.filter(**{name: getattr(wanted, name)})
    if wanted.owner:
        # Asked for first: without the id the planner takes everybody to have as many jobs as users have on average.
        owner = get_user_model().objects.filter(username=wanted.owner).values_list("pk", flat=True).first()
        rows = rows.none() if owner is None else rows.filter(owner_id=owner)
    if wanted.mine and user is not None:
        rows = rows.filter(owner_id=user.pk)
    if wanted.parent is not None:
        rows = rows.filter(parent_id=wanted.parent)
    elif not wanted.spawned:
        rows = rows.filter(parent=None)
    if wanted.parameters and unreadable:
        own = Q(owner_id=user.pk) if user is not None and user.is_authenticated else Q(pk__in=[])
        rows = rows.filter(~Q(kind__in=sorted(unreadable)) | own)
    return _in_time(_with_terms(rows, wanted), wanted)


def _with_terms(rows: JobQuerySet, wanted: JobFilter) -> JobQuerySet:
    sought = [{tag_term(each)} for each in wanted.tags]
    sought += [parameter_terms(name, value) for name, value in wanted.parameters]
    for either in sought:
        found = Term.objects.filter(term__in=either) if len(either) > 1 else Term.objects.filter(term=min(either))
        rows = rows.filter(id__in=found.values("job_id"))
    return rows


def _in_time(rows: JobQuerySet, wanted: JobFilter) -> JobQuerySet:
    """By the time itself, and by ids, which are indexed, as far as two clocks may differ."""
    if wanted.relative:
        raise TypeError("expected a filter whose durations were made times by at(now)")
    after, before = wanted.created_after, wanted.created_before
    if isinstance(after, datetime):
        rows = rows.filter(created_at__gte=after, id__gte=first_id(after - CLOCKS))
    if isinstance(before, datetime):
        rows = rows.filter(created_at__lt=before, id__lt=first_id(before + CLOCKS))
    return rows
