"""Routes of files: uploads stream to the disk, downloads can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from ninja import Router, Status
from ninja.errors import ValidationError
from ninja.params.functions import Query

from jobs_app import conf
from jobs_app.api import downloads
from jobs_app.api.bodies import content_length
from jobs_app.api.refusals import HttpRefusal, LengthRequired
from jobs_app.api.security import needs, user_of
from jobs_app.core import artifacts, clock
from jobs_app.errors import InvalidParameters, TooLarge
from jobs_app.reads import files
from jobs_app.reads.views import ArtifactView
from jobs_app.scopes import Scope

router = Router(tags=["artifacts"], auth=needs(Scope.READ, writing=Scope.SUBMIT))

FORM = "multipart/form-data"
CURLS_OWN = "application/x-www-form-urlencoded"
"""What curl says of any body when it is not told: it says nothing of a file."""

FORM_ALLOWANCE = 65_536
"""Bytes a multipart body may have beyond the file: its boundaries, headers and other fields."""

RAW_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


class ArtifactBody(ArtifactView):
    """A file, and where its bytes are."""

    url: str

    @classmethod
    def at(cls, view: ArtifactView, url: str) -> ArtifactBody:
        """A file whose bytes are at ``url``."""
        return cls(url=url, **view.model_dump())


def uploaded(view: ArtifactView) -> ArtifactBody:
    """A file as its own route shows it."""
    return ArtifactBody.at(view, reverse("api:artifact_content", args=[view.id]))


@router.post("", response={201: ArtifactBody}, url_name="artifacts", openapi_extra=RAW_BODY)
def upload(
    request: HttpRequest, response: HttpResponse, name: str = Query("", description="The file's name.")
) -> Status[ArtifactBody]:
    """Upload a file: as the raw body with ?name=…, or as the form field "file". Answers with the id to submit."""
    _check_length(request)
    user, now = user_of(request), clock.database_now()
    try:
        if request.content_type == FORM:
            file = request.FILES.get("file")
            if file is None:
                raise ValidationError([{"type": "missing", "loc": ("body", "", "file"), "msg": "Field required"}])
            row = artifacts.take_upload(
                name or file.name or "", file.chunks(), owner=user, content_type=file.content_type or "", now=now
            )
        else:
            kind = "" if request.content_type == CURLS_OWN else request.content_type or ""
            row = artifacts.take_upload(name, _body(request), owner=user, content_type=kind, now=now)
    except InvalidParameters as error:
        raise ValidationError(
            [{"type": "name", "loc": ("query", *each.location), "msg": each.message} for each in error.problems]
        ) from None
    response["Location"] = reverse("api:artifact", args=[row.id])
    return Status(201, uploaded(ArtifactView.of(row)))


@router.get("/{uuid:artifact_id}", response=ArtifactBody, url_name="artifact")
def show_artifact(request: HttpRequest, artifact_id: UUID) -> ArtifactBody:
    """What is known of a file: an upload of yours, or what a job of yours made."""
    return uploaded(files.artifact(user_of(request), artifact_id).artifact)


@router.api_operation(
    ["GET", "HEAD"],
    "/{uuid:artifact_id}/content",
    url_name="artifact_content",
    openapi_extra=downloads.DESCRIPTION,
)
def download(
    request: HttpRequest, artifact_id: UUID, inline: bool = Query(False, description="Show a picture in place.")
) -> HttpResponseBase:
    """The bytes of a file; ranges, If-Range and If-None-Match are honoured, the ETag is the SHA-256."""
    return downloads.serve(request, files.artifact(user_of(request), artifact_id), inline=inline)


def _check_length(request: HttpRequest) -> None:
    """Refuse before the first byte is read what would be refused at the last."""
    length, limit = content_length(request), conf.current().upload_bytes
    if not request.headers.get("Content-Length"):
        raise LengthRequired("expected a Content-Length header: the size of the file in bytes")
    if length > limit + (FORM_ALLOWANCE if request.content_type == FORM else 0):
        raise TooLarge(f"expected a file of at most {limit:,} bytes, got {length:,}")


def _body(request: HttpRequest) -> Iterator[bytes]:
    """The raw body in chunks. Raises HttpRefusal if it ends before its stated length: half a file is none."""
    length, read = content_length(request), 0
    while chunk := request.read(artifacts.CHUNK):
        read += len(chunk)
        yield chunk
    if read != length:
        raise HttpRefusal(f"expected {length:,} bytes as Content-Length says, got {read:,}; nothing was kept")
