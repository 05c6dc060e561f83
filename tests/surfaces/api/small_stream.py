"""A stream process with room for two readers that speaks often: what granian runs in a test."""

from __future__ import annotations

from project import asgi  # first: it sets up Django

application = type(asgi.application)(limit=2, keepalive_seconds=0.2)
