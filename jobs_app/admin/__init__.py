"""The admin: shows the ledger, and acts on it through the core alone.

``jobs``, ``attempts``, ``failures``, ``files``, ``queues``, ``tokens`` and ``webhooks`` are read-only lists and pages
with their verbs; those of jobs are in ``job_actions``, ``job_search`` says as a search what their list shows, and
``submission`` is the page on which one is submitted. ``schedules`` with ``timings`` and ``accounts`` are the screens of
django-celery-beat and of django.contrib.auth, registered again; what they save is ``auditing``'s to note. ``access``
says who may submit which kinds, and shows the audit. ``overview`` fills the first page. ``base``, ``acting``,
``filters`` and ``presentation`` are what all of them share.
"""

from django.contrib import admin

from jobs_app.admin import (
    access,
    accounts,
    attempts,
    failures,
    files,
    jobs,
    queues,
    schedules,
    timings,
    tokens,
    webhooks,
)

admin.site.index_template = "admin/jobs_app/index.html"
admin.site.index_title = "Overview"

__all__ = [
    "access", "accounts", "attempts", "failures", "files", "jobs", "queues", "schedules", "timings", "tokens",
    "webhooks",
]  # fmt: skip
