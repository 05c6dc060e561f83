"""Answers that a caller may have already (RFC 9110 §13): an ETag of every byte, and the time of the last change."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from pydantic import BaseModel

from jobs_app.api.bodies import JsonRenderer

SECOND = timedelta(seconds=1)


def answer(
    request: HttpRequest, body: BaseModel, *, now: datetime, changed_at: datetime | None = None
) -> HttpResponseBase:
    """The body as JSON, or word that the caller has it (304). ``changed_at``: None if that is not known.

    HTTP dates are whole seconds. One is told only when its second is over: what changes within it would be missed.
    """
    text = JsonRenderer().render(request, body, response_status=200)
    etag = f'"{hashlib.sha256(text).hexdigest()}"'
    second = int(changed_at.timestamp()) if changed_at is not None and now - changed_at >= SECOND else None
    early = get_conditional_response(request, etag=etag, last_modified=second)
    response = early if early is not None else HttpResponse(text, content_type=JsonRenderer.media_type)
    response["ETag"] = etag
    if second is not None:
        response["Last-Modified"] = http_date(second)
    # A browser may keep it, but must ask each time: the right to see it can end.
    response["Cache-Control"] = "private, no-cache"
    return response
