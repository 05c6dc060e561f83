"""Who may submit jobs, of which kinds, and who may see the parameters of others' jobs.

Who may not see the parameters of a job does not see what may repeat them either: see ``sees_parameters``.

A user who is in none of the roles' groups submits, unless ROLES_REQUIRED; a member of one needs the permission that
``submitters`` have. Beside that a kind may be limited to groups. Superusers and the system (None) are not asked.

What is limited is read at most once in two seconds and process; what somebody is, once for each object of a user, as
Django does with permissions: so a request asks for it once.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from jobs_app import conf, registry, scopes, wire
from jobs_app.core import audit, queries
from jobs_app.criteria import JobFilter
from jobs_app.errors import NotAllowed, NotFound
from jobs_app.models import Artifact, Job, JobInput, KindAccess
from jobs_app.models.artifact import ArtifactQuerySet
from jobs_app.models.guard import writing
from jobs_app.models.job import JobQuerySet
from jobs_app.models.search import matching
from jobs_app.scopes import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    Viewer = User | AnonymousUser | None

PERMISSION = "jobs_app.manage_access"
SUBMIT = "jobs_app.add_job"
ROLES = ("viewers", "submitters", "operators", "administrators")
"""The groups of the roles. What each may do is in ``core.roles``."""

RULES_SECONDS = 2.0


@dataclass(frozen=True)
class Standing:
    """What a user is: the groups they are in, whether one of those is a role's, whether they may submit by it."""

    groups: frozenset[int]
    in_role: bool
    submits: bool


@dataclass(frozen=True)
class Rule:
    """Who may submit a kind, and who may see its parameters: keys of groups. None is everybody."""

    submit: frozenset[int] | None
    read: frozenset[int] | None


OPEN = Rule(None, None)


class Rules:
    """The kinds that are limited, as this process knows them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Ask anew at the next question."""
        self._known: dict[str, Rule] = {}
        self._until = 0.0

    def all(self) -> dict[str, Rule]:
        """By kind."""
        if time.monotonic() >= self._until:
            self._known, self._until = _load(), time.monotonic() + RULES_SECONDS
        return self._known

    def of(self, kind: str) -> Rule:
        """Of one kind."""
        return self.all().get(kind, OPEN)


rules = Rules()


def may_submit(user: Viewer, kind: str) -> bool:
    """Whether this user may submit jobs of a kind."""
    return not _why_not(user, kind)


def check_submit(user: User | None, kind: str, *, now: datetime, on_leave: bool = False) -> None:
    """Raise NotAllowed, in words, if this user may not submit jobs of a kind, or the token of the request under way is
    not for submitting, by whatever route it came. It is recorded.

    on_leave: the core submits it to carry out what the token was asked for before.
    """
    if user is not None and not on_leave:
        check_token(user, Scope.SUBMIT, f"kind {kind}", now=now)
    why = _why_not(user, kind)
    if why:
        with audit.refusals(user, "job.submit", f"kind {kind}", now=now):
            raise NotAllowed(why)


def check_token(user: User | None, scope: Scope, what: str, *, now: datetime) -> None:
    """Raise NotAllowed if the request under way came with a token that is not for this. It is recorded.

    For what a route's own scope does not say. what: a noun and a name, for the audit.
    """
    key, grants = audit.token()
    why = scopes.why_not(grants, scope) if grants is not None else ""
    if why:
        with audit.refusals(user, "token.use", f"token {key}", now=now, after={"for": what, "scope": scope}):
            raise NotAllowed(why)


def sees_parameters(viewer: Viewer, kind: str, owner: int | None) -> bool:
    """Whether this user sees the parameters of a job of that kind and owner, provided that they see the job.

    With them goes all that its handler or its kind may have made of them: preview, result, files taken and made, log,
    last word on its progress, errors and tracebacks, also where they are told of many jobs or sent elsewhere.
    """
    return (viewer is not None and viewer.pk is not None and viewer.pk == owner) or kind not in unreadable(viewer)


def unreadable(viewer: Viewer) -> frozenset[str]:
    """The kinds whose parameters this user sees of their own jobs only: a search must not tell of others'."""
    if viewer is None or getattr(viewer, "is_superuser", False):
        return frozenset()
    readers = {kind: rule.read for kind, rule in rules.all().items() if rule.read is not None}
    theirs = standing(viewer).groups if readers and viewer.is_authenticated else frozenset()
    found = {kind for kind, groups in readers.items() if not groups & theirs}
    # What is delivered to webhooks tells of the end of any job, error and all.
    return frozenset(found | {wire.DELIVER}) if found else frozenset()


def limited(kind: str) -> bool:
    """Whether the parameters of a kind are not for everybody who sees a job."""
    return kind in unreadable(AnonymousUser())


def readable_files(viewer: Viewer) -> ArtifactQuerySet:
    """The files that this user may read; not others' that a job took or made whose parameters they may not see."""
    rows, hidden = Artifact.objects.readable_by(viewer), unreadable(viewer)
    if not hidden:
        return rows
    took = JobInput.objects.filter(artifact=OuterRef("pk"), job__kind__in=hidden)
    mine = Q(owner_id=viewer.pk) if viewer is not None and viewer.is_authenticated else Q(pk__in=[])
    return rows.filter(mine | ~(Q(job__kind__in=hidden) | Exists(took)))


def sought(viewer: Viewer, wanted: JobFilter) -> JobQuerySet:
    """The jobs of a search, of those that this user may see. Its times must be times: see ``JobFilter.at``."""
    hidden = unreadable(viewer) if wanted.parameters else ()
    return matching(Job.objects.visible_to(viewer), wanted, viewer, unreadable=hidden)


def standing(user: Any) -> Standing:
    """What this user is. Asked once for each object of a user."""
    known = getattr(user, "_weir_standing", None)
    if known is None:
        known = user._weir_standing = _standing(user.pk)
    return known


def set_rule(
    kind: str,
    *,
    submitters: Collection[Group] | None,
    readers: Collection[Group] | None,
    actor: User | None,
    now: datetime,
) -> None:
    """Say who may submit a kind, and who may see its parameters; None is everybody, no group is nobody.

    Raises NotAllowed, NotFound (the kind).
    """
    with audit.refusals(actor, "kind.access", f"kind {kind}", now=now), transaction.atomic():
        if actor is not None and not actor.has_perm(PERMISSION):
            raise NotAllowed("expected the permission to say who may submit which kinds")
        if registry.find(kind) is None and not KindAccess.objects.filter(kind=kind).exists():
            raise NotFound(f"expected a kind, got {kind[:100]!r}")
        with writing():
            row = queries.locked_or_made(KindAccess.objects.all(), kind=kind)
            before = _told(row)
            row.submit_limited, row.read_limited = submitters is not None, readers is not None
            row.save(update_fields=["submit_limited", "read_limited"])
            row.submitters.set(submitters or ())
            row.readers.set(readers or ())
        after = _told(row)
        if after != before:
            audit.record(actor, "kind.access", f"kind {kind}", now=now, before=before, after=after)
    rules.forget()


def _why_not(user: Viewer, kind: str) -> str:
    if user is None or getattr(user, "is_superuser", False):
        return ""
    here = standing(user)
    if not here.submits and (here.in_role or conf.current().roles_required):
        return "expected the permission to submit jobs, which the group submitters has: ask an administrator"
    submitters = rules.of(kind).submit
    if submitters is not None and not submitters & here.groups:
        return f"expected a member of a group that may submit jobs of {kind}: ask an administrator"
    return ""


def _standing(key: int) -> Standing:
    app, name = SUBMIT.split(".")
    held = Permission.objects.filter(Q(user=key) | Q(group__user=key), content_type__app_label=app, codename=name)
    rows = list(get_user_model().objects.filter(pk=key).values_list("groups__id", "groups__name", Exists(held)))
    return Standing(
        groups=frozenset(group for group, _, _ in rows if group is not None),
        in_role=any(name in ROLES for _, name, _ in rows),
        submits=any(submits for _, _, submits in rows),
    )


def _load() -> dict[str, Rule]:
    found: dict[str, tuple[set[int] | None, set[int] | None]] = {}
    columns = ("kind", "submit_limited", "read_limited", "submitters__id", "readers__id")
    for kind, submit_limited, read_limited, submitter, reader in KindAccess.objects.values_list(*columns):
        submit, read = found.setdefault(kind, (set() if submit_limited else None, set() if read_limited else None))
        if submit is not None and submitter is not None:
            submit.add(submitter)
        if read is not None and reader is not None:
            read.add(reader)
    return {kind: Rule(_frozen(submit), _frozen(read)) for kind, (submit, read) in found.items()}


def _frozen(keys: Iterable[int] | None) -> frozenset[int] | None:
    return None if keys is None else frozenset(keys)


def _told(row: KindAccess) -> dict[str, Any]:
    return {
        "may submit": sorted(each.name for each in row.submitters.all()) if row.submit_limited else "everybody",
        "see parameters": sorted(each.name for each in row.readers.all()) if row.read_limited else "everybody",
    }
