"""Routes of the pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from jobs_app.web import (
    audit,
    failures,
    home,
    job,
    planner,
    queues,
    reports,
    saved_views,
    schedules,
    submitting,
    tokens,
    webhooks,
)

login = LoginView.as_view(template_name="jobs_app/login.html", redirect_authenticated_user=True)

urlpatterns = [
    path("", home.home, name="home"),
    path("jobs/", home.home, name="jobs"),
    path("jobs/rows/", home.rows, name="job-rows"),
    path("jobs/counts/", home.count, name="job-counts"),
    path("jobs/views/", saved_views.views, name="views"),
    path("jobs/views/save/", saved_views.save, name="view-save"),
    path("jobs/views/<int:view_id>/rename/", saved_views.rename, name="view-rename"),
    path("jobs/views/<int:view_id>/delete/", saved_views.delete, name="view-delete"),
    path("jobs/<uuid:job_id>/", job.job, name="job"),
    path("jobs/<uuid:job_id>/live/", job.live, name="job-live"),
    path("jobs/<uuid:job_id>/estimate/", job.estimate, name="job-estimate"),
    path("jobs/<uuid:job_id>/log/", job.log, name="job-log"),
    path("jobs/<uuid:job_id>/cancel/", job.cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/rerun/", job.rerun, name="job-rerun"),
    path("jobs/<uuid:job_id>/rerun/changed/", submitting.change, name="job-change"),
    path("submit/", submitting.kinds, name="kinds"),
    path("submit/<str:kind_name>/", submitting.submit, name="submit"),
    path("queues/", queues.queues, name="queues"),
    path("queues/<str:name>/", queues.queue, name="queue"),
    path("failures/", failures.failures, name="failures"),
    path("failures/<str:fingerprint>/", failures.failure, name="failure"),
    path("failures/<str:fingerprint>/resolve/", failures.resolve, name="failure-resolve"),
    path("failures/<str:fingerprint>/ignore/", failures.ignore, name="failure-ignore"),
    path("failures/<str:fingerprint>/reopen/", failures.reopen, name="failure-reopen"),
    path("schedules/", schedules.schedules, name="schedules"),
    path("schedules/<int:schedule_id>/", schedules.schedule, name="schedule"),
    path("schedules/<int:schedule_id>/run/", schedules.run, name="schedule-run"),
    path("schedules/<int:schedule_id>/pause/", schedules.pause, name="schedule-pause"),
    path("schedules/<int:schedule_id>/resume/", schedules.resume, name="schedule-resume"),
    path("reports/", reports.reports, name="reports"),
    path("reports/<int:schedule_id>/", reports.report, name="report"),
    path("planner/", planner.planner, name="planner"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", tokens.revoke, name="token-revoke"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export/", audit.export, name="audit-export"),
    path("webhooks/", webhooks.webhooks_page, name="webhooks"),
    path("webhooks/<int:webhook_id>/", webhooks.webhook, name="webhook"),
    path("webhooks/<int:webhook_id>/secret/", webhooks.renew, name="webhook-renew"),
    path("webhooks/<int:webhook_id>/remove/", webhooks.remove, name="webhook-remove"),
    path("webhooks/deliveries/<int:delivery_id>/replay/", webhooks.replay, name="webhook-replay"),
    path("login/", login, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
