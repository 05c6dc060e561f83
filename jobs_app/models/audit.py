"""What operators did, and what they were refused: rows that are added and read, never changed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from jobs_app import lifecycle
from jobs_app.lifecycle import Via
from jobs_app.models.guard import Guarded, GuardedQuerySet


class AuditEntry(Guarded):
    """One action of somebody: who, what, on what, what it was before and after, from where.

    Users and tokens are written down as they were, not referred to: an entry outlives them, and is not touched when
    they go. Triggers in the database refuse UPDATE, and DELETE of all but what retention names (``core.audit.prune``).
    """

    at = models.DateTimeField()
    actor_key = models.BigIntegerField(null=True, blank=True, help_text="The user's id; empty for the system.")
    actor = models.CharField(max_length=150, blank=True, help_text="The user's name then; empty for the system.")
    action = models.CharField(max_length=60, help_text="Such as queue.pause.")
    subject = models.CharField(max_length=200, help_text="On what: such as queue default.")
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    refused = models.CharField(max_length=300, blank=True, help_text="Why it was refused; empty if it was done.")
    surface = models.CharField(max_length=10, choices=lifecycle.choices(Via), help_text="By which way it came.")
    address = models.CharField(max_length=100, blank=True, help_text="Network address, or user@machine of a shell.")
    token_key = models.BigIntegerField(null=True, blank=True, help_text="The id of the API token it came with.")

    objects = GuardedQuerySet["AuditEntry"].as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        default_permissions = ()
        permissions = [("view_audit", "Can read who did what (the audit)")]
        indexes = [
            # reads.audit: each filter, the newest first; and audit.prune: the oldest.
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["actor", "id"], name="audit_actor"),
            models.Index(fields=["address", "id"], name="audit_address"),
            # Beginnings of words are looked for: "queue." finds "queue.pause".
            models.Index(fields=["action"], name="audit_action", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["subject"], name="audit_subject", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["id"], name="audit_refused", condition=~Q(refused="")),
        ]

    def __str__(self) -> str:
        return f"{self.actor or 'the system'}: {self.action} {self.subject}"
