"""Roles: groups of Django's, and the permissions that each is given.

``keep`` makes the groups and gives them what this release says, each permission once: what an administrator added
stays, and so does it that one was taken away. ``give`` and ``take`` are who is in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from jobs_app.core import audit
from jobs_app.errors import Conflict, InvalidRequest
from jobs_app.models import Role
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LEDGER = ("job", "attempt", "event", "logline", "artifact", "queue")
TIMINGS = ("periodictask", "intervalschedule", "crontabschedule", "solarschedule", "clockedschedule")
VIEW = frozenset(f"jobs_app.view_{model}" for model in LEDGER)
SUBMIT = frozenset({"jobs_app.add_job", "jobs_app.add_token", "jobs_app.view_token"})
SCHEDULES = frozenset(
    f"django_celery_beat.{verb}_{model}" for model in TIMINGS for verb in ("view", "add", "change", "delete")
)
QUEUES = frozenset({"jobs_app.control_queue", "jobs_app.change_queue"})
NEW = frozenset({"jobs_app.control_worker", "jobs_app.mark_deploy", "jobs_app.open_flower"})
OPERATE = VIEW | SUBMIT | SCHEDULES | QUEUES | NEW | {"jobs_app.see_all_jobs", "jobs_app.act_on_all_jobs"}
ACCOUNTS = frozenset(f"auth.{verb}_user" for verb in ("view", "add", "change", "delete")) | {"auth.view_group"}

ROLES: dict[str, frozenset[str]] = {
    "viewers": VIEW | {"jobs_app.see_all_jobs"},
    "submitters": VIEW | SUBMIT,
    "operators": OPERATE,
    "administrators": OPERATE | ACCOUNTS | {"jobs_app.view_audit", "jobs_app.manage_access"},
}
"""What the members of each group may do; in the admin, if they are staff. Submitters see and act on their own jobs."""

POWERS = ROLES["administrators"] - ROLES["submitters"]
"""What is more than acting on one's own."""

FORMER = {name: permissions - NEW for name, permissions in ROLES.items() if name != "administrators"}
"""What releases before this one gave, whose groups have no row of Role."""


def keep() -> dict[str, bool]:
    """Make each role's group, and give it what it was not given before. Returns which were made.

    Raises Conflict if the permissions are not there yet.
    """
    return {name: _kept(name, permissions) for name, permissions in ROLES.items()}


def has_powers(user: User) -> bool:
    """Whether this user may do more than look after their own jobs, by a role or otherwise."""
    return user.is_staff or user.is_superuser or bool(POWERS & user.get_all_permissions())


def give(user: User, role: str, *, actor: User | None, now: datetime) -> bool:
    """Put a user into a role's group. Returns False if they were in it. Raises InvalidRequest."""
    return _change(user, role, actor, now, member=True)


def take(user: User, role: str, *, actor: User | None, now: datetime) -> bool:
    """Take a user out of a role's group. Returns False if they were not in it. Raises InvalidRequest."""
    return _change(user, role, actor, now, member=False)


def _change(user: User, role: str, actor: User | None, now: datetime, *, member: bool) -> bool:
    if role not in ROLES:
        raise InvalidRequest(f"expected a role, one of {', '.join(ROLES)}, got {role[:100]!r}")
    with transaction.atomic():
        _kept(role, ROLES[role])
        before = sorted(user.groups.values_list("name", flat=True))
        if (role in before) == member:
            return False
        group = Group.objects.get(name=role)
        if member:
            user.groups.add(group)
        else:
            user.groups.remove(group)
        after = sorted(user.groups.values_list("name", flat=True))
        subject = f"user {user.get_username()}"
        audit.record(actor, "user.roles", subject, now=now, before={"groups": before}, after={"groups": after})
    return True


def _kept(name: str, permissions: frozenset[str]) -> bool:
    group, made = Group.objects.get_or_create(name=name)
    role = Role.objects.filter(name=name).first()
    given = role.given if role is not None else [] if made else sorted(FORMER.get(name, ()))
    fresh = permissions - set(given)
    if fresh:
        group.permissions.add(*_named(fresh, name))
    if fresh or role is None:
        with writing():
            Role.objects.update_or_create(name=name, defaults={"given": sorted({*given, *permissions})})
    return made


def _named(names: Iterable[str], group: str) -> list[Permission]:
    wanted = frozenset(names)
    found = [
        permission
        for permission in Permission.objects.select_related("content_type")
        if f"{permission.content_type.app_label}.{permission.codename}" in wanted
    ]
    if len(found) != len(wanted):
        raise Conflict(f"expected the permissions of group {group} to exist; run `manage.py migrate` first")
    return found
