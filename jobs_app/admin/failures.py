"""Failures that are alike in the admin: how often, since when, and what is made of them, by the core's verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Case, F, Model, QuerySet, TextField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from jobs_app import searching
from jobs_app.admin import acting, presentation
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.admin.filters import KindFilter, StatusFilter
from jobs_app.core import access, failure_control
from jobs_app.core.clock import database_now
from jobs_app.criteria import JobFilter
from jobs_app.fingerprints import Status
from jobs_app.lifecycle import State
from jobs_app.models import FailureGroup
from jobs_app.models.failure import EVERYBODY
from jobs_app.reads.failure_figures import whose

SIGHT = ("times", "jobs", "first_seen", "last_seen", "job", "message")
COLOURS = {Status.OPEN: "danger", Status.REGRESSED: "danger", Status.RESOLVED: "success", Status.IGNORED: "info"}
SETTLED = {Status.RESOLVED: {"resolve", "ignore"}, Status.IGNORED: {"ignore"}}
"""Buttons that make no sense any more."""


@admin.register(FailureGroup)
class FailureAdmin(LedgerAdmin):
    """Every group, those seen last first. Who may not see the jobs of others gets the figures of their own."""

    owner_field = ""
    list_display = ("what", "status_label", "times_seen", "jobs_failed", "first", "last")
    list_filter = (StatusFilter, KindFilter)
    ordering = ("-sights__last_seen", "fingerprint")
    sortable_by = ()
    actions = ("resolve_selected", "ignore_selected", "reopen_selected")
    actions_detail = ("retry_all", "resolve_group", "ignore_group", "reopen_group")
    fields = readonly_fields = (
        "kind", "error_type", "place", "said", "status_in_words", "times_seen", "jobs_failed", "first", "last",
        "seen_of", "note_shown", "fingerprint",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[FailureGroup]:
        """The groups that this user may see, each with what was seen of it: one row of the sights."""
        rows: QuerySet[FailureGroup] = super().get_queryset(request)
        seen: dict[str, Any] = {f"seen_{name}": F(f"sights__{name}") for name in SIGHT}
        mine = whose(user_of(request))
        shut = access.unreadable(user_of(request)) if mine == EVERYBODY else ()
        if shut:  # what failed may repeat parameters
            untold = When(kind__in=sorted(shut), then=Value(""))
            seen["seen_message"] = Case(untold, default=F("sights__message"), output_field=TextField())
        return rows.filter(sights__owner=mine).annotate(**seen, seen_owner=F("sights__owner"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As for jobs: failures are theirs."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As for jobs."""
        return bool(request.user.has_perm("jobs_app.view_job"))

    def has_act_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether this user may say what is made of failures."""
        return failure_control.may_act(user_of(request))

    @admin.action(description="Resolve", permissions=["act"])
    def resolve_selected(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> None:
        """They are mended; seen again, they are open again."""
        self._say(request, acting.selected(request, queryset), failure_control.resolve, "resolved")

    @admin.action(description="Ignore for good", permissions=["act"])
    def ignore_selected(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> None:
        """Nobody is to be told of them."""
        self._say(request, acting.selected(request, queryset), failure_control.ignore, "ignored")

    @admin.action(description="Open again", permissions=["act"])
    def reopen_selected(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> None:
        """Somebody should look at them after all."""
        self._say(request, acting.selected(request, queryset), failure_control.reopen, "open again")

    @action(description="Retry all", url_path="retry-all", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_all(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page that says what retrying all its failed jobs would do, and asks."""
        text = searching.text_of(JobFilter(states=(State.FAILED,), fingerprint=object_id[:100]))
        return redirect(f"{reverse('bulk-preview')}?{urlencode({'action': 'retry', 'all': '1', 'q': text})}")

    @action(description="Resolve", url_path="resolve", icon="check", permissions=["act"], dialog={
        "title": "Is this failure mended?",
        "description": "If it is seen again, it is open again.",
        "form_submit_text": "Yes, it is mended",
    })  # fmt: skip
    def resolve_group(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """It is mended."""
        return self._from_page(request, object_id, failure_control.resolve, "resolved")

    @action(description="Ignore", url_path="ignore", icon="visibility_off", permissions=["act"], dialog={
        "title": "Ignore this failure for good?",
        "description": "Nobody is told of it any more, however often it is seen. The console ignores it for a time.",
        "form_submit_text": "Yes, ignore it",
    })  # fmt: skip
    def ignore_group(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Nobody is to be told of it."""
        return self._from_page(request, object_id, failure_control.ignore, "ignored")

    @action(description="Open again", url_path="reopen", icon="undo", permissions=["act"], dialog={
        "title": "Open this failure again?",
        "description": "It is in the list of what somebody should look at.",
        "form_submit_text": "Yes, open it again",
    })  # fmt: skip
    def reopen_group(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Somebody should look at it after all."""
        return self._from_page(request, object_id, failure_control.reopen, "open again")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """The buttons that make sense."""
        group = self.get_queryset(request).filter(pk=object_id).first()
        unfit = SETTLED.get(Status(group.status), {"reopen"}) if group is not None else set()
        return [each for each in super().get_actions_detail(request, object_id) if each.path not in unfit]

    @display(description="Failure", header=True)
    def what(self, group: FailureGroup) -> list[str]:
        """What it is, and under it what it said last."""
        return [f"{group.error_type or 'Failure'} in {group.kind}", _seen(group, "message")[:120]]

    @display(description="Status", label=COLOURS)
    def status_label(self, group: FailureGroup) -> str:
        """What is made of it, coloured."""
        return group.status

    @display(description="Status")
    def status_in_words(self, group: FailureGroup) -> str:
        """What is made of it, by whom and until when: who, for those who see what operators see."""
        words = [group.status]
        words += [f"until {presentation.moment(group.ignored_until)}"] if group.ignored_until else []
        words += [f"since {presentation.moment(group.status_at)}"] if group.status_at else []
        words += [f"by {group.status_by}"] if group.status_by and _whole(group) else []
        return " ".join(words)

    @display(description="Times seen")
    def times_seen(self, group: FailureGroup) -> str:
        """Failed attempts, and jobs that failed without one."""
        return f"{_seen(group, 'times'):,}"

    @display(description="Jobs failed for good")
    def jobs_failed(self, group: FailureGroup) -> str:
        """How many."""
        return f"{_seen(group, 'jobs'):,}"

    @display(description="First seen")
    def first(self, group: FailureGroup) -> str:
        """When."""
        return presentation.moment(_seen(group, "first_seen"))

    @display(description="Last seen")
    def last(self, group: FailureGroup) -> str:
        """When."""
        return presentation.moment(_seen(group, "last_seen"))

    @display(description="It said")
    def said(self, group: FailureGroup) -> str:
        """The message of the last one."""
        return str(_seen(group, "message") or "-")

    @display(description="Last seen of job")
    def seen_of(self, group: FailureGroup) -> str:
        """The job; its page is gone when the job is."""
        return presentation.link("job", _seen(group, "job"), _seen(group, "job"))

    @display(description="Note")
    def note_shown(self, group: FailureGroup) -> str:
        """What operators write to each other is for those who see what they see."""
        return (group.note if _whole(group) else "") or "-"

    def _say(
        self, request: HttpRequest, groups: list[FailureGroup], verb: Callable[..., FailureGroup], done: str
    ) -> None:
        now, user = database_now(), user_of(request)
        acting.act(request, groups, lambda each: verb(each.pk, actor=user, now=now), noun="failure", done=done)

    def _from_page(
        self, request: HttpRequest, object_id: str, verb: Callable[..., FailureGroup], done: str
    ) -> HttpResponse:
        self._say(request, list(self.get_queryset(request).filter(pk=object_id)), verb, done)
        back = reverse("admin:jobs_app_failuregroup_change", args=[object_id])
        # The dialog posts with htmx, which follows a redirect only if it is told to load the whole page.
        return HttpResponseClientRedirect(back) if request.headers.get("HX-Request") else redirect(back)


def _seen(group: FailureGroup, name: str) -> Any:
    return getattr(group, f"seen_{name}")


def _whole(group: FailureGroup) -> bool:
    return bool(_seen(group, "owner") == EVERYBODY)
