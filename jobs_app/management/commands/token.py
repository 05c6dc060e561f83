"""``manage.py token``: an API token for a user, alone on stdout, for scripts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from jobs_app.core import clock, tokens
from jobs_app.errors import NotFound, WeirError


class Command(BaseCommand):
    """Make a token; it is printed this once and kept nowhere."""

    help = "Make an API token for a user and print it, and nothing else, on stdout."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options."""
        parser.add_argument("username", help="Whom the token speaks for.")
        parser.add_argument(
            "--create-user", action="store_true", help="Make an ordinary user, without a password, if there is none."
        )
        parser.add_argument("--name", default="command line", help="What the token is for (default: command line).")
        parser.add_argument("--days", type=int, default=None, help="Its life, 1 to 3650 days (default: TOKEN_DAYS).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token. Ends with 2 for wrong arguments, 3 for an unknown user."""
        try:
            user = _user(options["username"], create=options["create_user"])
            _, text = tokens.issue(user, options["name"], now=clock.database_now(), days=options["days"])
        except WeirError as error:
            raise CommandError(str(error), returncode=error.exit_code) from None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from None
        self.stdout.write(text)


def _user(name: str, *, create: bool) -> User:
    user = User.objects.filter(username=name).first()
    if user is not None:
        return user
    if not create:
        raise NotFound(f"expected the name of a user, got {name!r}; with --create-user one is made")
    fresh = User(username=name)
    fresh.set_unusable_password()
    fresh.full_clean()
    fresh.save()
    return fresh
