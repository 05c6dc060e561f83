"""Addresses of the pages, each with the site's own manner (log in, errors) put around it by whoever mounts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from tasks.kinds.timeline import pages

View = Callable[..., Any]


def patterns(page: Callable[[View], View]) -> list[URLPattern]:
    """The addresses; ``page`` is what the site puts around a view."""
    return [
        path("timeline/", page(pages.timeline), name="timeline"),
        path("timeline/progress/", page(pages.progress), name="timeline-progress"),
        path("timeline/follow/", page(pages.follow), name="timeline-follow"),
        path("timeline/posts/<int:post_id>/delete/", page(pages.delete), name="timeline-delete"),
    ]
