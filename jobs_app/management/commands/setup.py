"""``manage.py setup``: make a ledger ready to use, in one go."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from jobs_app.errors import LedgerAway


class Command(BaseCommand):
    """Migrate, write the first content, and create the first administrator. Running it again changes nothing."""

    help = "Migrate the ledger, write queues and sample data, and create the first administrator."

    def add_arguments(self, parser: CommandParser) -> None:
        """The administrator's name and the form of the answer."""
        parser.add_argument("--administrator", default="", help="create this superuser with a password made up here")
        parser.add_argument("--json", action="store_true", help="print the answer as JSON on the last line")

    def handle(self, *args: Any, administrator: str, json: bool, **options: Any) -> None:
        """Do all three; print the new administrator's password, which is shown only now."""
        try:
            call_command("migrate", interactive=False, verbosity=0, stdout=self.stderr)
            call_command("prepare", stdout=self.stderr)
            password = _create(administrator) if administrator else None
        except OperationalError as error:
            raise CommandError(
                f"DATABASE_URL: expected a ledger that answers, got: {error}", returncode=LedgerAway.exit_code
            ) from None
        self.stdout.write(_answer(administrator, password, as_json=json))


def _create(name: str) -> str | None:
    """Create the superuser and return the password; None if there is a user of that name."""
    users = get_user_model()
    if users.objects.filter(**{users.USERNAME_FIELD: name}).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.objects.create_superuser(username=name, email=f"{name}@localhost", password=password)
    return password


def _answer(administrator: str, password: str | None, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"administrator": administrator, "password": password})
    if password is None:
        return "The ledger is ready."
    return f"The ledger is ready. Log in as {administrator} with {password} (shown only now)."
