"""Entry point of the live stream: ``granian --interface asgi --workers 1 project.asgi:application``."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)

from jobs_app.api.stream import Application  # noqa: E402 - it needs Django to be set up

application = Application()
