"""Every error as one shape: problem details (RFC 9457). Weir's errors say it themselves; the rest is mapped here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel, Field

from jobs_app.api.refusals import BadJson, HttpRefusal
from jobs_app.core import artifacts
from jobs_app.core.line import line
from jobs_app.errors import (
    InvalidParameters,
    InvalidRequest,
    LedgerAway,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    StorageFull,
    TooLarge,
    WeirError,
    in_words,
)
from jobs_app.forms.lines import InvalidLine
from jobs_app.lifecycle import Reason

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = (5, 10)
"""When to try again, from and to, if a part is away: spread, so that not all come back at once."""

UNEXPECTED = "unexpected"


class Place(BaseModel):
    """One fault and its place."""

    pointer: str = Field(
        description="JSON Pointer into the body, such as #/parameters/sizes/0; or query.limit, header.Idempotency-Key."
    )
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). ``code`` is a stable slug to program against, ``detail`` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Place] | None = Field(None, description="One entry a fault, where single faults can be told.")
    instance: str | None = Field(None, description="The name of this occurrence in the server's log.")
    retry_after: int | None = Field(None, description="Seconds after which to try again, as in Retry-After.")
    reason: str | None = Field(None, description="What there is no room in: " + ", ".join(Reason) + ".")
    queue: str | None = Field(None, description="The queue that is full, or of which you hold your share.")
    depth: int | None = Field(None, description="Jobs that wait in it.")
    limit: int | None = Field(None, description="The bound that was met.")
    low_water: int | None = Field(None, description="The depth at which a full queue takes jobs again.")
    drain_rate: float | None = Field(None, description="Jobs a second that leave the queue, as measured.")

    @property
    def text(self) -> bytes:
        """As JSON."""
        return self.model_dump_json(exclude_none=True).encode()


def answer(request: HttpRequest, error: Any) -> HttpResponse:
    """The response to a request that ended with ``error``."""
    problem = problem_of(error)
    response = respond(problem, headers_of(error, problem.status))
    if refusal_in(error) is not None:
        response._has_been_logged = True  # type: ignore[attr-defined]  # it is counted: no error line for each
    return response


def respond(problem: Problem, headers: Mapping[str, str]) -> HttpResponse:
    """A problem as a response."""
    sized = {**headers, "Content-Length": str(len(problem.text))}
    return HttpResponse(problem.text, status=problem.status, content_type=MEDIA_TYPE, headers=sized)


def headers_of(error: BaseException | None, status: int) -> dict[str, str]:
    """The headers that go with an error."""
    headers: dict[str, str] = dict(error.headers) if isinstance(error, HttpRefusal) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="weir"'
    refused = refusal_in(error)
    if refused is not None:
        headers["Retry-After"] = str(refused.retry_after)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(line.somewhen(*RETRY_SECONDS))
    return headers


def refusal_in(error: BaseException | None) -> Refused | None:
    """The refusal that an error is, or (when ninja wrapped it) was raised for."""
    return next((each for each in (error, error and error.__cause__) if isinstance(each, Refused)), None)


def problem_of(error: BaseException) -> Problem:
    """Any error as a problem. What was not foreseen is logged under an id, and only the id is told."""
    if isinstance(error, HttpError) and isinstance(error.__cause__, (WeirError, ValidationError)):
        error = error.__cause__  # ninja wraps what the parser of bodies raised
    if isinstance(error, ValidationError):
        return _of_faults(error.errors)
    if isinstance(error, InvalidParameters):
        places = [_place(("body", "", "parameters", *each.location), each.message) for each in error.problems]
        return _of_weir(error, places)
    if isinstance(error, InvalidLine):
        return _of_weir(error, [_place(("body", "", *each.location), each.message) for each in error.problems])
    known = error if isinstance(error, WeirError) else _translated(error)
    if known is None and isinstance(error, HttpError):
        return of_status(error.status_code, error.message)
    if known is None or known.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(error)
    return _of_weir(known)


def of_status(status: int, detail: str) -> Problem:
    """A problem about which only its status is known."""
    phrase = HTTPStatus(status).phrase
    code = phrase.lower().replace(" ", "-")
    return Problem(type=_type(code), title=phrase, status=status, detail=detail, code=code)


def unexpected(error: BaseException | None) -> Problem:
    """Status 500: the error goes to the log with an id, the id to the caller."""
    occurrence = uuid4()
    logger.error("Unexpected error %s", occurrence, exc_info=error)
    return Problem(
        type=_type(UNEXPECTED),
        title="Something went wrong on the server",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        detail=f"this was not foreseen; the server's log has it under {occurrence}",
        code=UNEXPECTED,
        instance=f"urn:uuid:{occurrence}",
    )


def _translated(error: BaseException) -> WeirError | None:
    """What Django, ninja and the operating system raise, as one of ours."""
    match error:
        case Http404():
            return NotFound("there is nothing at this address")
        case PermissionDenied():
            return NotAllowed("you may not do this")
        case RequestDataTooBig():
            return TooLarge("expected a smaller request body")
        case MultiPartParserError() | UnreadablePostError() | SuspiciousOperation():
            return HttpRefusal(f"expected a whole and well-formed request: {error}")
        case OperationalError() | InterfaceError():
            logger.warning("The ledger's database did not answer: %s", error)
            return LedgerAway("the ledger's database does not answer; try again, with the same Idempotency-Key")
        case DataError():
            return InvalidRequest("the request has a value that the ledger cannot hold")
        case OSError() if error.errno in artifacts.FULL:
            return StorageFull("expected room on the disk, and there is none; nothing was kept")
        case HttpError(status_code=HTTPStatus.UNAUTHORIZED):
            return NotAuthenticated("expected a session, or a token in the Authorization header as Bearer weir_…")
        case HttpError(status_code=HTTPStatus.BAD_REQUEST):
            return BadJson("expected a JSON body")
        case _:
            return None


def _of_weir(error: WeirError, places: Iterable[Place] = ()) -> Problem:
    return Problem(
        type=_type(error.code),
        title=error.title,
        status=error.status,
        detail=str(error),
        code=error.code,
        errors=list(places) or None,
        **({"retry_after": error.retry_after, **error.facts} if isinstance(error, Refused) else {}),
    )


def _of_faults(faults: Iterable[Mapping[str, Any]]) -> Problem:
    places = [_place(tuple(fault["loc"]), in_words(fault)) for fault in faults]
    detail = "; ".join(f"{place.pointer}: {place.message}" for place in places)
    return _of_weir(InvalidRequest(detail), places)


def _place(location: tuple[str | int, ...], message: str) -> Place:
    """``location`` begins with where (body, query, path, header), then, in a body, comes the name of an argument."""
    where, *path = location
    if where == "body":
        steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path[1:]]
        return Place(pointer="#" + "".join(f"/{step}" for step in steps), message=message)
    if path[0] == where and len(path) > 1:
        path = path[1:]  # a query string that ninja took apart into a model is named twice
    return Place(pointer=".".join(str(step) for step in (where, *path)), message=message)


def _type(code: str) -> str:
    return f"urn:weir:problem:{code}"
