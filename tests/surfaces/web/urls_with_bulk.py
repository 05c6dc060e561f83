"""The project's routes, and one to which ticked jobs are sent."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from project.urls import urlpatterns as routes


def preview(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [*routes, path("bulk/", preview, name="bulk-preview")]
