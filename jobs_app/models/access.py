"""Who may do what: roles as they were given, and kinds that are not for everybody."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet


class Role(Guarded):
    """A role's group, and the permissions that it was ever given: none is given twice, so one taken away stays away."""

    name = models.CharField(max_length=150, primary_key=True, help_text="The group's name.")
    given = models.JSONField(default=list)

    objects = GuardedQuerySet["Role"].as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class KindAccess(Guarded):
    """Who may submit jobs of a kind, and who may see the parameters of others' jobs of it.

    Whether it is limited is a column of its own: a group that is deleted must not open a kind to everybody.
    """

    kind = models.CharField(max_length=100, unique=True)
    submit_limited = models.BooleanField(default=False, help_text="Only members of the submitters' groups submit it.")
    read_limited = models.BooleanField(
        default=False, help_text="Only members of the readers' groups, and its owner, see a job's parameters."
    )
    submitters = models.ManyToManyField(Group, blank=True, related_name="submittable_kinds")
    readers = models.ManyToManyField(Group, blank=True, related_name="readable_kinds")

    objects = GuardedQuerySet["KindAccess"].as_manager()

    class Meta:
        default_permissions = ()
        permissions = [("manage_access", "Can say who may submit which kinds and see their parameters")]
        verbose_name = "access to a kind"
        verbose_name_plural = "access to kinds"

    def __str__(self) -> str:
        return self.kind
