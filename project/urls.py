"""Routes."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from jobs_app.api.routes import api
from jobs_app.web.pages import page
from tasks.kinds.growing.urls import patterns as dataset_pages
from tasks.kinds.timeline.urls import patterns as timeline_pages


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: the process answers. Nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("", include("jobs_app.web.urls")),
    *timeline_pages(page),
    *dataset_pages(page),
]
