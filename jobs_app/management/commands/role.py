"""``manage.py role``: who is a viewer, submitter, operator or administrator."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from jobs_app.core import audit, clock, roles
from jobs_app.errors import NotFound, WeirError
from jobs_app.lifecycle import Via
from jobs_app.management.cli import calls


class Command(BaseCommand):
    """Give a role, take it, or list who has which."""

    help = "Roles: list who has which; give one to a user, or take it. A role is a group of that name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="Who has which role.")
        for verb, words in (("give", "Give a user a role."), ("take", "Take a role from a user.")):
            one = verbs.add_parser(verb, help=words)
            one.add_argument("username", help="Whose it is.")
            one.add_argument("role", choices=sorted(roles.ROLES), help="The role.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Do it. Ends with 3 for an unknown user."""
        if verb == "list":
            self._list()
            return
        act = roles.give if verb == "give" else roles.take
        name, role = options["username"], options["role"]
        try:
            with audit.origin(Via.CLI, address=calls.here()):
                user = User.objects.filter(username=name).first()
                if user is None:
                    raise NotFound(f"expected the name of a user, got {name[:100]!r}")
                changed = act(user, role, actor=None, now=clock.database_now())
        except WeirError as error:
            raise CommandError(str(error), returncode=error.exit_code) from None
        done = "is in" if verb == "give" else "is not in"
        self.stdout.write(f"{name} {done} {role}{' now' if changed else ', as before'}.")

    def _list(self) -> None:
        for role in roles.ROLES:
            names = User.objects.filter(groups__name=role).order_by("username").values_list("username", flat=True)
            self.stdout.write(f"{role + ':':<16}{', '.join(names) or '-'}")
