"""Keys by which programs speak to the API on a user's behalf."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models

from jobs_app import scopes
from jobs_app.models.guard import Guarded, GuardedQuerySet


class Token(Guarded):
    """An API token. Only its SHA-256 is stored: the token itself has 256 random bits, so no slow hash is needed."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100, help_text="What it is for.")
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12, help_text="Its first characters, to tell tokens apart.")
    scopes = models.CharField(
        max_length=200, default=scopes.text_of(scopes.FORMER), db_default=scopes.text_of(scopes.FORMER),
        help_text="What it may be used for, between blanks.",
    )  # fmt: skip
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = GuardedQuerySet["Token"].as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def valid(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked_at is None and now < self.expires_at
