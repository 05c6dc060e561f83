"""Who may look at Flower through this site, and where in it something of ours can be seen."""

from __future__ import annotations

from urllib.parse import quote

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse

from jobs_app import conf

PERMISSION = "jobs_app.open_flower"


def may_look(user: User | AnonymousUser) -> bool:
    """Whether there is a Flower for this user: staff with the permission, and one is set up."""
    return bool(conf.current().flower_url and user.is_staff and user.has_perm(PERMISSION))


def address(user: User | AnonymousUser) -> str:
    """Where Flower is for this user; empty if nowhere."""
    return reverse("flower") if may_look(user) else ""


def message_address(holder: str) -> str:
    """Where Flower shows the message by which a worker took an attempt; empty if its holder names none.

    Flower calls it a task. It forgets the older ones, and all of them when it starts anew.
    """
    worker, _, rest = holder.partition("/")
    message = rest.partition("/")[2]
    return f"{reverse('flower')}task/{quote(message, safe='')}" if worker and message else ""
