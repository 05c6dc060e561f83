"""Routes of growing datasets, mounted at /api/datasets by the project."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router, Status
from ninja.errors import HttpError, ValidationError
from ninja.params import functions

from jobs_app.errors import TooLarge
from tasks.kinds.growing import bodies, datasets, reading
from tasks.kinds.growing.rows import BadRows

if TYPE_CHECKING:
    from django.contrib.auth.models import User

router = Router(tags=["datasets"])

KEY = "Idempotency-Key"
KEY_WORDS = "The same key gives the same part, however often it is sent."
BODY_BYTES = 2 << 20
LIST, LINES = "application/json", ("application/x-ndjson", "application/jsonl", "application/jsonlines")
ROWS_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            LIST: {"schema": {"type": "array", "items": {"type": "object"}, "maxItems": datasets.ROWS}},
            LINES[0]: {"schema": {"type": "string", "description": "One JSON object a line."}},
        },
    }
}


@router.post("", response={201: bodies.DatasetBody, 200: bodies.DatasetBody}, url_name="datasets")
def create(request: HttpRequest, response: HttpResponse, payload: bodies.NewDataset) -> Status[bodies.DatasetBody]:
    """Make a dataset: which column says when, which tell rows apart, which hold numbers. They never change.

    One of the same name and columns is given back, with 200.
    """
    dataset, new = datasets.create(_user(request), payload.name, payload.layout, now=timezone.now())
    response["Location"] = reverse("api:dataset", args=[dataset.pk])
    return Status(201 if new else 200, bodies.DatasetBody.of(dataset, reading.state(dataset)))


@router.get("", response=bodies.Datasets)
def list_datasets(
    request: HttpRequest,
    everyone: bool = functions.Query(False, description="Others' too, for who may see all jobs."),
) -> bodies.Datasets:
    """Your datasets, by name."""
    rows = datasets.mine(_user(request), everyone=everyone)
    states = reading.states(rows)
    return bodies.Datasets(datasets=[bodies.DatasetBody.of(each, states[each.pk]) for each in rows])


@router.get("/{int:dataset_id}", response=bodies.DatasetBody, url_name="dataset")
def show(request: HttpRequest, dataset_id: int) -> bodies.DatasetBody:
    """How a dataset stands: what was appended, how far it is folded, how many rows came late."""
    dataset = datasets.find(_user(request), dataset_id)
    return bodies.DatasetBody.of(dataset, reading.state(dataset))


@router.delete("/{int:dataset_id}", response={204: None})
def delete(request: HttpRequest, dataset_id: int) -> Status[None]:
    """Delete a dataset, with all that was appended to it: its files too."""
    datasets.delete(datasets.own(_user(request), dataset_id), now=timezone.now())
    return Status(204, None)


@router.post(
    "/{int:dataset_id}/rows",
    response={201: bodies.PartBody, 200: bodies.PartBody},
    url_name="dataset_rows",
    openapi_extra=ROWS_BODY,
)
def append_rows(
    request: HttpRequest,
    response: HttpResponse,
    dataset_id: int,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
) -> Status[bodies.PartBody]:
    """Append rows, all or none: a JSON list of objects, or one object a line (application/x-ndjson).

    At most 10,000 rows and 2 MiB. A column that is not the dataset's is left out; a group or a number may be null. A
    replay of an idempotency key answers 200.
    """
    dataset = datasets.own(_user(request), dataset_id)
    rows = bodies.rows_of(_body(request), lines=request.content_type in LINES, most=datasets.ROWS)
    try:
        appended = datasets.append_rows(dataset, rows, key=idempotency_key, now=timezone.now())
    except BadRows as error:
        places = [("body", "", each.row, *([each.column] if each.column else [])) for each in error.faults]
        raise ValidationError(
            [
                {"type": "row", "loc": place, "msg": each.message}
                for place, each in zip(places, error.faults, strict=True)
            ]
        ) from None
    return _appended(response, appended, 201)


@router.post("/{int:dataset_id}/files", response={202: bodies.PartBody, 200: bodies.PartBody}, url_name="dataset_files")
def append_file(
    request: HttpRequest,
    response: HttpResponse,
    dataset_id: int,
    payload: bodies.NewFile,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
) -> Status[bodies.PartBody]:
    """Append a CSV, TSV, JSON lines or Parquet file that you have uploaded (POST /api/artifacts); at most 256 MiB.

    It is the dataset's from then on, and read when it is folded. One that cannot be taken is set aside whole, and
    its part says why.
    """
    dataset = datasets.own(_user(request), dataset_id)
    appended = datasets.append_file(dataset, payload.file, key=idempotency_key, now=timezone.now())
    return _appended(response, appended, 202)


@router.get("/{int:dataset_id}/parts", response=bodies.Parts, url_name="dataset_parts")
def list_parts(request: HttpRequest, dataset_id: int) -> bodies.Parts:
    """The last 20 appends, newest first."""
    dataset = datasets.find(_user(request), dataset_id)
    through = reading.state(dataset).through
    return bodies.Parts(parts=[bodies.PartBody.of(each, through) for each in reading.newest_parts(dataset)])


@router.get("/{int:dataset_id}/buckets", response=bodies.Buckets, url_name="dataset_buckets")
def list_buckets(request: HttpRequest, dataset_id: int, query: Query[bodies.BucketsQuery]) -> bodies.Buckets:
    """The hours or days that begin in a period, in order; at most 10,000 of them. Nothing is worked out for it.

    Sums, least and greatest are decimal numbers as text, exact.
    """
    dataset = datasets.find(_user(request), dataset_id)
    begin, end = query.period
    found = reading.period(dataset, query.step, begin, end, group=query.group or None, total=query.total)
    state = reading.state(dataset)
    return bodies.Buckets(
        step=query.step, begin=begin, end=end, folded_at=state.folded_at, parts_waiting=state.waiting,
        buckets=[bodies.BucketBody.of(each, dataset, total=query.total) for each in found],
    )  # fmt: skip


def _appended(response: HttpResponse, appended: datasets.Appended, status: int) -> Status[bodies.PartBody]:
    if appended.replayed:
        response["Idempotency-Replayed"] = "true"
    return Status(200 if appended.replayed else status, bodies.PartBody.of(appended.part, None))


def _body(request: HttpRequest) -> bytes:
    """The body, when its length and type are as they should be: nothing is read before."""
    if request.content_type not in (LIST, *LINES):
        raise HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected Content-Type {LIST} or {LINES[0]}")
    stated = request.headers.get("Content-Length") or ""
    if not (stated.isascii() and stated.isdigit()):
        raise HttpError(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length header: the size of the body in bytes")
    if int(stated) > BODY_BYTES:
        raise TooLarge(f"expected a body of at most {BODY_BYTES:,} bytes, got {int(stated):,}; append in pieces")
    return request.body


def _user(request: HttpRequest) -> User:
    return cast("User", request.auth)  # type: ignore[attr-defined]  # set by ninja
