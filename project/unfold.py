"""The admin's look and its side bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from jobs_app.conf import Configuration

BRAND = {
    "50": "#eefafc", "100": "#d3f1f6", "200": "#a9e3ec", "300": "#7dd3e0", "400": "#54c3d6", "500": "#24a4bb",
    "600": "#0b7285", "700": "#0a6475", "800": "#0b5261", "900": "#0c4350", "950": "#062b34",
}  # fmt: skip


def settings(configuration: Configuration) -> dict[str, Any]:
    """The ``UNFOLD`` setting."""
    return {
        "SITE_TITLE": "Weir",
        "SITE_HEADER": "Weir",
        "SITE_SUBHEADER": "jobs, schedules, access",
        "SITE_ICON": lambda _request: static("jobs_app/logo.svg"),
        "SITE_FAVICONS": [
            {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("jobs_app/logo.svg")},
        ],
        "SITE_URL": "/",
        "SHOW_VIEW_ON_SITE": True,
        "DASHBOARD_CALLBACK": "jobs_app.admin.overview.fill",
        "COLORS": {"primary": BRAND},
        "STYLES": [lambda _request: static("weir_admin/admin.css")],
        "SIDEBAR": {
            "show_search": False,
            "show_all_applications": False,
            "navigation": [
                _group("Jobs", _jobs(configuration)),
                _group("Schedules", _schedules()),
                _group("Access", _access()),
            ],
        },
    }


def _jobs(configuration: Configuration) -> list[dict[str, Any]]:
    items = [
        {**_item("Jobs", "work", "jobs_app", "job"), "active": _on_jobs},
        {
            "title": "Submit a job",
            "icon": "add_circle",
            "link": reverse_lazy("admin:jobs_app_job_submit"),
            "permission": _holds("jobs_app.add_job"),
        },
        _item("Attempts", "play_circle", "jobs_app", "attempt"),
        _item("Artifacts", "description", "jobs_app", "artifact"),
        {
            "title": "Failures",
            "icon": "report",
            "link": reverse_lazy("admin:jobs_app_failuregroup_changelist"),
            "permission": _holds("jobs_app.view_job"),
        },
        _item("Queues", "low_priority", "jobs_app", "queue"),
        {"title": "Webhooks", "icon": "webhook", "link": reverse_lazy("admin:jobs_app_endpoint_changelist")},
        {
            "title": "Webhook messages",
            "icon": "outgoing_mail",
            "link": reverse_lazy("admin:jobs_app_delivery_changelist"),
        },
    ]
    if configuration.flower_url:
        items.append({
            "title": "Live workers (Flower)",
            "icon": "monitor_heart",
            "link": reverse_lazy("flower"),
            "permission": _holds("jobs_app.open_flower"),
        })  # fmt: skip
    return items


def _schedules() -> list[dict[str, Any]]:
    beat = "django_celery_beat"
    return [
        _item("Schedules", "event_repeat", beat, "periodictask"),
        _item("Intervals", "timer", beat, "intervalschedule"),
        _item("Crontabs", "calendar_clock", beat, "crontabschedule"),
        _item("Solar events", "wb_sunny", beat, "solarschedule"),
        _item("Moments", "alarm", beat, "clockedschedule"),
    ]


def _access() -> list[dict[str, Any]]:
    return [
        _item("Tokens", "key", "jobs_app", "token"),
        _item("Users", "person", "auth", "user"),
        _item("Groups", "group", "auth", "group"),
        {
            "title": "Access to kinds",
            "icon": "lock",
            "link": reverse_lazy("admin:jobs_app_kindaccess_changelist"),
            "permission": _holds("jobs_app.manage_access"),
        },
        {
            "title": "Audit",
            "icon": "policy",
            "link": reverse_lazy("admin:jobs_app_auditentry_changelist"),
            "permission": _holds("jobs_app.view_audit"),
        },
    ]


def _group(title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": items}


def _item(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    """A link to a model's list, for those who may see it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _holds(f"{app}.view_{model}", f"{app}.change_{model}"),
    }


def _on_jobs(request: HttpRequest) -> bool:
    """On the list of jobs or a job's page, but not where one is submitted."""
    name = request.resolver_match.url_name if request.resolver_match else None
    return (name or "").startswith("jobs_app_job_") and "submit" not in (name or "")


def _holds(*permissions: str) -> Callable[[HttpRequest], bool]:
    def holds(request: HttpRequest) -> bool:
        return any(request.user.has_perm(each) for each in permissions)

    return holds
