"""Addresses of the pages, each with the site's own manner (log in, errors) put around it by whoever mounts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from tasks.kinds.growing import pages

View = Callable[..., Any]


def patterns(page: Callable[[View], View]) -> list[URLPattern]:
    """The addresses; ``page`` is what the site puts around a view."""
    return [
        path("datasets/", page(pages.listing), name="datasets"),
        path("datasets/<int:dataset_id>/", page(pages.dataset), name="dataset"),
        path("datasets/<int:dataset_id>/fold/", page(pages.fold), name="dataset-fold"),
        path("datasets/<int:dataset_id>/append/", page(pages.append), name="dataset-append"),
        path("datasets/<int:dataset_id>/delete/", page(pages.delete), name="dataset-delete"),
    ]
