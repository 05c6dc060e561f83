"""Deploys: whoever deploys says so, and charts show it. The latest 2,000 are kept, as long as statistics of days."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.db import transaction

from jobs_app import conf
from jobs_app.core import audit
from jobs_app.errors import InvalidRequest, NotAllowed
from jobs_app.models import Deploy
from jobs_app.models.guard import writing
from jobs_app.steps import Step

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PERMISSION, ACTION = "jobs_app.mark_deploy", "deploy.mark"
KEPT = 2_000
"""A pipeline that runs wild pushes out the oldest, and fills no table."""

AGAIN = timedelta(minutes=5)
"""The same label and version within this time is the same deploy: a pipeline may try again."""

EARLY = timedelta(minutes=5)
"""How far a clock elsewhere may be ahead of the database's."""

LONGEST = {"label": 60, "version": 100, "url": 500}


@dataclass(frozen=True)
class Told:
    """What is said of a deploy. at: when it took place; None is now."""

    label: str
    version: str = ""
    url: str = ""
    at: datetime | None = None


def mark(told: Told, *, actor: User | None, now: datetime) -> Deploy:
    """Note a deploy; said again within five minutes it is the one that is there. Raises NotAllowed, InvalidRequest."""
    subject = f"deploy {told.label}"
    with audit.refusals(actor, ACTION, subject, now=now, after=asdict(told)):
        if not may_mark(actor):
            raise NotAllowed("expected the permission to mark deploys: ask somebody who may give it to you")
    at = _checked(told, now)
    label, version = told.label.strip(), told.version.strip()
    with transaction.atomic(), writing():
        like = Deploy.objects.filter(label=label, version=version, at__gt=at - AGAIN, at__lt=at + AGAIN)
        known = like.order_by("-at").first()
        if known is not None:
            return known
        made = Deploy.objects.create(at=at, label=label, version=version, url=told.url, by=actor)
        audit.record(actor, ACTION, subject, now=now, after=asdict(told))
        oldest_kept = Deploy.objects.order_by("-at", "-id").values_list("at", flat=True)[KEPT - 1 : KEPT]
        for oldest in oldest_kept:
            Deploy.objects.filter(at__lt=oldest).delete()
    return made


def prune(*, now: datetime) -> int:
    """Delete deploys that are older than any statistics are kept. Returns how many."""
    kept = conf.current().rollups_kept_for(Step.DAY)
    if kept is None:
        return 0
    with writing():
        return Deploy.objects.filter(at__lt=now - kept).delete()[0]


def may_mark(actor: User | None) -> bool:
    """Whether this user (None: the system) may mark deploys."""
    return actor is None or actor.has_perm(PERMISSION)


def _checked(told: Told, now: datetime) -> datetime:
    """When it took place. Raises InvalidRequest for what does not fit."""
    if not told.label.strip():
        raise InvalidRequest("expected a label, such as the name of what was deployed, got none")
    for name, most in LONGEST.items():
        text = getattr(told, name)
        if len(text) > most or not text.isprintable():
            raise InvalidRequest(f"expected {name} to be printable text of at most {most} characters")
    if told.url and (urlsplit(told.url).scheme not in {"http", "https"} or not urlsplit(told.url).netloc):
        raise InvalidRequest(f"expected url to be a web address (https://…), got {told.url[:80]!r}")
    at = told.at or now
    kept = conf.current().rollups_kept_for(Step.DAY) or timedelta(days=conf.DAYS_MOST)
    if at > now + EARLY or at < now - kept:
        raise InvalidRequest(f"expected a time that is past, and within what statistics keep, got {at.isoformat()}")
    return at
