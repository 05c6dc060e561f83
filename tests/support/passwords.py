"""Passwords of test users: stored as Django stores them, but at once."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's default with one round: any process checks such a password, and no test waits for a slow hash."""

    iterations = 1
