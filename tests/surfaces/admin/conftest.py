"""Staff of every rank, as ``manage.py prepare`` makes their groups, each with a logged-in client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from jobs_app.core import provisioning


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def member(now: datetime) -> Callable[[str], User]:
    """Make a staff user in one of the shipped groups, or in none: ``member("viewers")``."""
    provisioning.provide(now=now)

    def make(group: str = "", *permissions: str) -> User:
        user = User.objects.create_user(group or "staff", password="a password", is_staff=True)
        if group:
            user.groups.add(Group.objects.get(name=group))
        for each in permissions:
            app, _, name = each.partition(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=name))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def viewer(member: Callable[[str], User]) -> User:
    return member("viewers")


@pytest.fixture
def operator(member: Callable[[str], User]) -> User:
    return member("operators")


@pytest.fixture
def submitter(member: Callable[[str], User]) -> User:
    return member("submitters")


@pytest.fixture
def chief(db: None) -> User:
    return User.objects.create_superuser("chief", password="chief's password")
