"""``manage.py token``: an API token for a user, alone on stdout, for scripts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from jobs_app.core import audit, clock, tokens
from jobs_app.errors import NotFound, WeirError
from jobs_app.lifecycle import Via
from jobs_app.management.cli import calls
from jobs_app.scopes import Scope


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

        parser.add_argument(
            "--scope", action="append", dest="scopes", choices=[each.value for each in Scope], metavar="SCOPE",
            help=f"What it may be used for; give it once for each: {', '.join(Scope)} (default: all but admin:read).",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token. Ends with 2 for wrong arguments, 3 for an unknown user."""
        try:
            with audit.origin(Via.CLI, address=calls.here()):
                user = _user(options["username"], create=options["create_user"])
                now = clock.database_now()
                _, text = tokens.issue(user, options["name"], now=now, days=options["days"], grants=options["scopes"])
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
