"""What waits before anybody comes, and who may come."""

from __future__ import annotations

import logging

import httpx
from django.contrib.auth.models import User
from django.db import transaction

from benchmarks import figures
from jobs_app.core import clock, submission, tokens
from jobs_app.errors import QueueFull

BATCH = 100
WARMING = 20
"""Requests to the web processes before anybody comes: the first ones of each take seconds."""


def put_in(kind: str, count: int) -> None:
    """Submit so many jobs, in few transactions. They are the system's own: no user's share plays a part."""
    for first in range(0, count, BATCH):
        with transaction.atomic():
            for _ in range(min(BATCH, count - first)):
                submission.submit(kind, {})
    figures.say(f"{count} jobs wait")


def fill(kind: str, most: int) -> None:
    """Submit until the queue is full, or ``most`` jobs."""
    for filled in range(most):
        try:
            submission.submit(kind, {})
        except QueueFull as full:
            figures.say(f"{filled} more, then: {full}")
            return


def token(name: str) -> str:
    """A token of a new user: each client is somebody else, and none comes near a share."""
    return tokens.issue(User.objects.create_user(name), "measuring", now=clock.database_now())[1]


def warm(url: str, text: str) -> None:
    """Have the web processes load all they need, with some harmless requests."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for _ in range(WARMING):
        httpx.get(f"{url}/api/kinds", headers={"Authorization": f"Bearer {text}"}, timeout=60).raise_for_status()
