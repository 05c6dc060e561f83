"""The least that a web application does for a job: a Django view without middleware that inserts one row.

``granian … benchmarks.bare:application``, on the ledger's database, beside the real one: what ``benchmarks.http``
compares with. No authentication, no limits, no events, no index but the key's, no message.
"""

from __future__ import annotations

import json
from uuid import uuid4

import django
from django.conf import settings
from django.http import HttpRequest, JsonResponse

if not settings.configured:
    from project.settings import DATABASES

    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        # Not even the question whether a kept connection is well.
        DATABASES={"default": {**DATABASES["default"], "CONN_HEALTH_CHECKS": False}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF="benchmarks.bare",
        USE_TZ=True,
    )
    django.setup(set_prefix=False)

from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.urls import path
from django.utils import timezone


class BareJob(models.Model):
    """A job as a tutorial has it."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    kind = models.CharField(max_length=100)
    parameters = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "bare"
        db_table = "bare_job"

    def __str__(self) -> str:
        return str(self.id)


def submit(request: HttpRequest) -> JsonResponse:
    """Insert, answer."""
    given = json.loads(request.body)
    job = BareJob.objects.create(kind=given["kind"], parameters=given["parameters"])
    answer = JsonResponse({"id": job.id, "kind": job.kind, "created_at": job.created_at}, status=202)
    answer["Content-Length"] = len(answer.content)
    return answer


def prepare() -> None:
    """Make the table."""
    with connection.schema_editor() as editor:
        editor.create_model(BareJob)


urlpatterns = [path("jobs", submit)]
# None in the program that measures, which is Weir's.
application = get_wsgi_application() if __name__ == settings.ROOT_URLCONF else None
