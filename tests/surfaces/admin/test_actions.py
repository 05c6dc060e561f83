"""Cancel and run again from the admin: by the core, capped, refused with a sentence."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from jobs_app.lifecycle import State, Via
from jobs_app.models import Event, Job
from tests.support.ledger import columns_of, fresh, reaching, submitted
from tests.surfaces.admin.conftest import client_of

LIST = "/admin/jobs_app/job/"


def act(user: User, action: str, *jobs: Job, **more: Any) -> list[str]:
    """Choose jobs in the list and an action; returns the messages."""
    form = {"action": action, "_selected_action": [str(job.id) for job in jobs], **more}
    return said(client_of(user).post(LIST, form))


def said(answer: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_cancel_ends_waiting_jobs_and_tells_running_ones_to_stop(operator: User, alice: User) -> None:
    waiting, running = reaching(State.SCHEDULED, owner=alice), reaching(State.RUNNING, owner=alice)
    assert act(operator, "cancel_selected", waiting, running) == ["2 jobs cancelled, or told to stop if running."]
    assert fresh(waiting).state == "cancelled"
    assert (fresh(running).state, fresh(running).cancel_requested_at is not None) == ("running", True)
    assert Event.objects.filter(job=waiting).latest("id").actor == operator


def test_what_cannot_be_done_is_said_and_the_rest_is_done(operator: User, alice: User) -> None:
    waiting, ended = reaching(State.QUEUED, owner=alice), reaching(State.SUCCEEDED, owner=alice)
    before = columns_of(ended)
    messages = act(operator, "cancel_selected", waiting, ended)
    assert messages[0] == "1 job cancelled, or told to stop if running."
    assert messages[1].endswith("expected a job that has not ended, and this one has succeeded")
    assert columns_of(ended) == before
    assert fresh(waiting).state == "cancelled"


def test_only_the_first_reasons_are_listed(operator: User) -> None:
    messages = act(operator, "cancel_selected", *(reaching(State.SUCCEEDED) for _ in range(8)))
    assert len(messages) == 6
    assert messages[-1] == "3 further jobs not cancelled, or told to stop if running, for such reasons."


def test_run_again_makes_linked_jobs_of_ones_own(operator: User, alice: User) -> None:
    old = submitted("system.echo", {"text": "once more"}, owner=alice)
    assert act(operator, "run_selected_again", old) == ["1 job submitted again."]
    new = Job.objects.get(rerun_of=old)
    assert (new.kind, new.parameters, new.via, new.owner) == (old.kind, old.parameters, Via.ADMIN, operator)


def test_at_most_a_hundred_at_once(operator: User) -> None:
    jobs = [submitted() for _ in range(101)]
    message = "Expected at most 100 selected rows, got more; nothing was done. Select fewer."
    assert act(operator, "cancel_selected", *jobs) == [message]
    assert not Job.objects.exclude(state="queued").exists()
    assert act(operator, "cancel_selected", *jobs[:100]) == ["100 jobs cancelled, or told to stop if running."]


def asked(user: User, action: str, query: str = "", *jobs: Job) -> str:
    """Where an action on all of a list (or on jobs) leads: the search, or the ids, that the console asks about."""
    form = {"action": action, "_selected_action": [str(job.id) for job in jobs] or ["x"]}
    answer = client_of(user).post(f"{LIST}{query}", form if jobs else {**form, "select_across": "1"})
    address = urlsplit(answer["Location"])
    assert address.path == reverse("bulk-preview"), said(answer)
    given = parse_qs(address.query, keep_blank_values=True)
    return f"{given['action'][0]} {' '.join(given.get('q') or given['job'])}"


def test_all_of_a_list_is_a_bulk_action_that_asks_first(operator: User, alice: User) -> None:
    parent = uuid4()
    assert asked(operator, "cancel_selected") == "cancel "
    assert (
        asked(operator, "retry_selected", "?state=failed&state=cancelled&p=2") == "retry state:failed state:cancelled"
    )
    assert asked(operator, "run_selected_again", "?kind=system.echo&queue=default") == (
        "rerun kind:system.echo queue:default"
    )
    assert asked(operator, "reprioritise_selected", f"?created=day&parent__id__exact={parent}") == (
        f"reprioritise parent:{parent} since:1d"
    )


def test_what_the_console_asks_about_is_what_the_list_showed(operator: User, alice: User) -> None:
    shown = [reaching(State.QUEUED, owner=alice) for _ in range(2)]
    reaching(State.FAILED, owner=alice)
    client = client_of(operator)
    form = {"action": "cancel_selected", "_selected_action": ["x"], "select_across": "1"}
    page = client.post(f"{LIST}?state=queued", form, follow=True).content.decode()
    assert "Cancel 2 jobs?" in page
    assert all(str(job.id) in page for job in shown)
    assert not Job.objects.filter(state="cancelled").exists()


@pytest.mark.parametrize("query", ["?q=system", "?via=api", "?owner__id__exact=1", "?parent__id__exact=mine"])
def test_more_than_the_list_shows_is_never_meant(operator: User, query: str) -> None:
    reaching(State.QUEUED)
    form = {"action": "cancel_selected", "_selected_action": ["x"], "select_across": "1"}
    answer = client_of(operator).post(f"{LIST}{query}", form)
    assert reverse("bulk-preview") not in answer.headers.get("Location", "")
    assert not Job.objects.filter(state="cancelled").exists()


def test_a_new_priority_is_asked_for(operator: User, alice: User) -> None:
    jobs = [reaching(State.QUEUED, owner=alice) for _ in range(100)]
    wanted = asked(operator, "reprioritise_selected", "", *jobs)
    assert wanted == f"reprioritise {' '.join(job.id.hex for job in reversed(jobs))}"
    assert len(wanted) < 3500, "it has to fit into an address"
    form = {"action": "reprioritise_selected", "_selected_action": [str(job.id) for job in jobs[:2]]}
    page = client_of(operator).post(LIST, form, follow=True).content.decode()
    assert "Change the priority of 2 jobs?" in page
    assert 'name="priority"' in page


@pytest.mark.parametrize("action", ["cancel_selected", "run_selected_again"])
def test_who_sees_all_jobs_does_not_thereby_act_on_them(viewer: User, alice: User, action: str) -> None:
    job = reaching(State.QUEUED, owner=alice)
    before = columns_of(job)
    (message,) = act(viewer, action, job)
    assert "expected a job of yours" in message
    assert (columns_of(job), Job.objects.count()) == (before, 1)


def test_a_job_that_one_may_not_see_cannot_be_chosen(submitter: User, alice: User) -> None:
    own, other = reaching(State.QUEUED, owner=submitter), reaching(State.QUEUED, owner=alice)
    assert act(submitter, "cancel_selected", own, other) == ["1 job cancelled, or told to stop if running."]
    assert (fresh(own).state, fresh(other).state) == ("cancelled", "queued")


@pytest.mark.parametrize("verb", ["cancel", "run-again"])
def test_a_button_asks_first_and_a_link_does_nothing(operator: User, verb: str) -> None:
    job = reaching(State.QUEUED)
    client = client_of(operator)
    answer = client.get(f"{LIST}{job.id}/{verb}/")
    assert "csrfmiddlewaretoken" in answer.content.decode()
    assert (fresh(job).state, Job.objects.count()) == ("queued", 1)


def test_the_buttons_act(operator: User, alice: User) -> None:
    job = reaching(State.QUEUED, owner=alice)
    client = client_of(operator)
    confirmed = {"_form_submitted": "True"}
    answer = client.post(f"{LIST}{job.id}/cancel/", confirmed, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == reverse("admin:jobs_app_job_change", args=[job.id])
    assert fresh(job).state == "cancelled"
    answer = client.post(f"{LIST}{job.id}/run-again/", confirmed)
    assert (answer.status_code, said(answer)[-1]) == (302, "1 job submitted again.")
    assert Job.objects.filter(rerun_of=job, via="admin").count() == 1


def test_a_job_that_has_ended_offers_no_cancel(operator: User) -> None:
    client = client_of(operator)
    for state, offered in ((State.QUEUED, True), (State.SUCCEEDED, False)):
        job = reaching(state)
        page = client.get(reverse("admin:jobs_app_job_change", args=[job.id])).content.decode()
        assert (f"{LIST}{job.id}/cancel/" in page) is offered
        assert f"{LIST}{job.id}/run-again/" in page


def test_the_buttons_are_closed_to_those_who_may_not_act(viewer: User, alice: User) -> None:
    job = reaching(State.QUEUED, owner=alice)
    client = client_of(viewer)
    page = client.get(reverse("admin:jobs_app_job_change", args=[job.id])).content.decode()
    for verb in ("cancel", "run-again"):
        address = f"{LIST}{job.id}/{verb}/"
        assert address not in page
        assert client.post(address, {"_form_submitted": "True"}).status_code == 403
        assert client.post(f"{LIST}{uuid4()}/{verb}/", {"_form_submitted": "True"}).status_code == 403
        assert client.post(f"{LIST}nonsense/{verb}/", {"_form_submitted": "True"}).status_code == 403
    assert (fresh(job).state, Job.objects.count()) == ("queued", 1)


def test_forged_requests_are_refused(operator: User) -> None:
    job = reaching(State.QUEUED)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(f"{LIST}{job.id}/cancel/", {"_form_submitted": "True"}).status_code == 403
    form = {"action": "cancel_selected", "_selected_action": [str(job.id)]}
    assert client.post(LIST, form).status_code == 403
    assert fresh(job).state == "queued"
