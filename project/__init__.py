"""Wiring: settings, the Celery application, routes and servers' entry points."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
