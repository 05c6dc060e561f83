"""``manage.py prepare``: what a fresh ledger needs after ``migrate``. Safe to run at every start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from jobs_app.core import provisioning
from jobs_app.core.clock import database_now
from jobs_app.errors import WeirError


class Command(BaseCommand):
    """The command."""

    help = (
        "Make the configured queues, the groups of the roles (viewers, submitters, operators, administrators), the "
        "sample dataset and the schedule that ships with Weir (disabled). Run it after migrate, also at an upgrade. "
        "What is there already is left as it is, but for permissions of roles that are new."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say, a line each, what was made and what was there."""
        try:
            found = provisioning.provide(now=database_now())
        except WeirError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        except DatabaseError as error:
            raise CommandError(f"expected a migrated ledger; run `manage.py migrate` first ({error})") from error
        for each in found:
            self.stdout.write(f"{'made ' if each.made else 'there'} {each.what}")
