"""The admin in a real browser: its pages run no faulty script and fit a phone; what it offers can be clicked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django_celery_beat.models import PeriodicTask
from playwright.sync_api import Page, expect

from jobs_app.core import clock, provisioning
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.support.ledger import fresh, reaching

Open = Callable[..., Page]

PAGES = (
    "", "jobs_app/job/", "jobs_app/job/submit/", "jobs_app/job/submit/probe.everything/", "jobs_app/attempt/",
    "jobs_app/artifact/", "jobs_app/queue/", "jobs_app/token/", "jobs_app/token/add/",
    "jobs_app/failuregroup/", "jobs_app/endpoint/", "jobs_app/delivery/", "auth/user/", "auth/user/add/",
    "auth/group/", "django_celery_beat/periodictask/", "django_celery_beat/periodictask/add/",
    "django_celery_beat/intervalschedule/", "django_celery_beat/crontabschedule/add/",
    "django_celery_beat/solarschedule/add/", "django_celery_beat/clockedschedule/add/",
)  # fmt: skip


@pytest.fixture
def chief(transactional_db: None) -> User:
    provisioning.provide(now=clock.database_now())
    return User.objects.create_superuser("chief", password="chief's password")


@pytest.mark.parametrize("look", [{}, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}])
def test_every_page_runs_and_fits(opened: Open, chief: User, look: dict[str, object]) -> None:
    job, schedule = reaching(State.FAILED, owner=chief), PeriodicTask.objects.get()
    page = opened(chief, **look)
    missing: list[str] = []
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    rows = (f"jobs_app/job/{job.id}/change/", f"django_celery_beat/periodictask/{schedule.pk}/change/")
    for path in (*PAGES, *rows):
        page.goto(f"/admin/{path}")
        expect(page).to_have_title(re.compile("Weir"))
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} pixels too wide"
    assert missing == []


def test_jobs_are_chosen_in_the_list_and_cancelled(opened: Open, chief: User) -> None:
    jobs = [reaching(State.SCHEDULED) for _ in range(3)]
    page = opened(chief)
    page.goto("/admin/jobs_app/job/")
    for job in jobs[:2]:
        page.locator(f'input[name="_selected_action"][value="{job.id}"]').check()
    page.locator('select[name="action"]').select_option("cancel_selected")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("2 jobs cancelled")).to_be_visible()
    assert [fresh(job).state for job in jobs] == ["cancelled", "cancelled", "scheduled"]


def test_all_jobs_of_a_list_are_cancelled_by_a_bulk_action(opened: Open, chief: User) -> None:
    for _ in range(51):
        reaching(State.SCHEDULED)
    page = opened(chief)
    page.goto("/admin/jobs_app/job/?state=scheduled")
    page.locator("#action-toggle").check()
    page.get_by_role("link", name="Select all jobs of this list, on every page").click()
    expect(page.get_by_text("All jobs of this list", exact=True)).to_be_visible()
    page.locator('select[name="action"]').select_option("cancel_selected")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Cancel 51 jobs?")).to_be_visible()
    page.get_by_role("button", name="Cancel 51 jobs").click()
    page.wait_for_url("**/jobs/*/")
    order = Job.objects.get(kind="jobs.bulk")
    assert (order.parameters["query"], order.parameters["expected"]) == ("state:scheduled", 51)


def test_a_job_is_run_again_from_its_page_after_a_question(opened: Open, chief: User) -> None:
    job = reaching(State.SUCCEEDED)
    page = opened(chief)
    page.goto(f"/admin/jobs_app/job/{job.id}/change/")
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_text("Run this job again?")).to_be_visible()
    assert Job.objects.count() == 1
    page.get_by_role("button", name="Yes, run it again").click()
    expect(page.get_by_text("1 job submitted again.")).to_be_visible()
    assert Job.objects.filter(rerun_of=job).count() == 1


def test_a_schedule_asks_for_what_its_task_needs_and_says_what_is_wrong(opened: Open, chief: User) -> None:
    page = opened(chief)
    page.goto(f"/admin/django_celery_beat/periodictask/{PeriodicTask.objects.get().pk}/change/")
    expect(page.locator("#id_kind")).to_be_visible()
    expect(page.locator("#id_kwargs")).to_be_hidden()
    page.locator("#id_task").select_option("weir.upkeep.refill")
    expect(page.locator("#id_kind")).to_be_hidden()
    expect(page.locator("#id_kwargs")).to_be_visible()
    page.locator("#id_task").select_option("weir.schedule.submit")
    page.locator("#id_kind").select_option("system.echo")
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.locator(".field-parameters")
    expect(row.get_by_text("text: expected a value, got none")).to_be_visible()
    assert page.locator("#id_kind").input_value() == "system.echo"
    assert "datasets.profile" in PeriodicTask.objects.get().kwargs
