"""Routes of the audit: read it by pages, and take it away. For administrators."""

from __future__ import annotations

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router
from ninja.params import functions
from pydantic import AwareDatetime, BaseModel, Field

from jobs_app.api.security import needs, user_of
from jobs_app.core import audit as core
from jobs_app.core import clock
from jobs_app.errors import InvalidRequest
from jobs_app.reads import audit
from jobs_app.reads.audit import AuditFilter, EntryView
from jobs_app.scopes import Scope

router = Router(tags=["audit"], auth=needs(Scope.ADMIN))


class Wanted(BaseModel):
    """Which entries."""

    actor: str = Field("", max_length=150, description="A user's name; system for the system's own.")
    action: str = Field("", max_length=60, description="How it begins: queue. or job.cancel.")
    subject: str = Field("", max_length=200, description="How it, or the name in it, begins: queue default.")
    address: str = Field("", max_length=100)
    refused: bool | None = Field(None, description="Only what was refused, or only what was done.")
    since: AwareDatetime | None = Field(None, description="Not before.")
    until: AwareDatetime | None = Field(None, description="Before.")

    def filter(self) -> AuditFilter:
        """As the reads take it."""
        return AuditFilter(**{name: getattr(self, name) for name in Wanted.model_fields})


class AuditQuery(Wanted):
    """Which page of them."""

    cursor: str = Field("", max_length=64, description="next_cursor of the page before.")
    limit: int = Field(audit.PAGE, description="Entries a page, 1 to 200.")


class Entries(BaseModel):
    """A page of the audit, newest first; ``next_cursor`` is null on the last."""

    entries: list[EntryView]
    next_cursor: str | None


@router.get("", response=Entries, url_name="audit")
def list_entries(request: HttpRequest, query: Query[AuditQuery]) -> Entries:
    """Who did what, on what, before and after, and from where; also what was refused."""
    _only_known(request, AuditQuery)
    page = audit.page(user_of(request), query.filter(), cursor=query.cursor, limit=query.limit)
    return Entries(entries=page.entries, next_cursor=page.next_cursor)


@router.get(
    "/export",
    url_name="audit_export",
    openapi_extra={
        "responses": {
            200: {
                "description": "The entries, as they are read.",
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            }
        }
    },
)
def export(
    request: HttpRequest,
    query: Query[Wanted],
    form: str = functions.Query("ndjson", description="csv or ndjson."),
) -> HttpResponseBase:
    """All that fits, as one file. That it was taken away is in the audit, too."""
    user, wanted = user_of(request), query.filter()
    lines = audit.lines(user, wanted, form)
    core.record(user, "audit.export", f"audit as {form}", now=clock.database_now(), after=audit.told(wanted))
    return StreamingHttpResponse(lines, content_type=audit.TYPES[form])


def _only_known(request: HttpRequest, known: type[BaseModel]) -> None:
    unknown = sorted(set(request.GET) - set(known.model_fields))
    if unknown:
        raise InvalidRequest(f"expected the parameters {', '.join(known.model_fields)}, got {', '.join(unknown)[:100]}")
