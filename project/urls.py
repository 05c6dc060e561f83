"""Routes."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from jobs_app.api.routes import api
from jobs_app.web import probes
from jobs_app.web.pages import page
from tasks.kinds.growing.urls import patterns as dataset_pages
from tasks.kinds.timeline.urls import patterns as timeline_pages

urlpatterns = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("", include("jobs_app.web.urls")),
    *timeline_pages(page),
    *dataset_pages(page),
]
