"""Weir: a self-hosted job platform for Django teams, built on Celery."""

VERSION = "0.1.0"
"""Of this release; a test keeps it equal to pyproject.toml's."""
