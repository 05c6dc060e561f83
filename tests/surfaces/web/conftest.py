"""Fixtures of the tests of pages: browsers without scripts, one for each standing user."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs_app import registry
from jobs_app.forms import KindForm, form_for


@pytest.fixture
def alices(alice: User) -> Client:
    """Alice's browser."""
    return logged_in(alice)


def logged_in(user: User) -> Client:
    """A browser in which this user is logged in."""
    client = Client()
    client.force_login(user)
    return client


def form(kind: str, data: dict[str, Any] | None = None, files: Any = None, **options: Any) -> KindForm:
    """The form of a kind, filled in."""
    return form_for(registry.get(kind))(data, files, **options)


def file(name: str = "rows.csv", content: bytes = b"a,b\n1,2\n") -> SimpleUploadedFile:
    """A file as a browser sends it."""
    return SimpleUploadedFile(name, content, content_type="text/csv")
