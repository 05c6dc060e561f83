"""Submitting from the admin: the generated form, its faults at their fields, and who may."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from jobs_app import registry
from jobs_app.core import artifacts, clock
from jobs_app.models import Artifact, Job
from tests.surfaces.admin.conftest import client_of


def form_of(kind: str) -> str:
    return reverse("admin:jobs_app_job_submit_kind", args=[kind])


def test_every_kind_is_offered_and_every_form_opens(submitter: User) -> None:
    client = client_of(submitter)
    page = client.get(reverse("admin:jobs_app_job_submit")).content.decode()
    for kind in registry.all_kinds():
        assert form_of(kind.name) in page
        answer = client.get(form_of(kind.name))
        assert answer.status_code == 200, kind.name
        assert "Submit the job" in answer.content.decode()


def test_a_job_is_submitted_via_admin_and_its_page_shown(submitter: User) -> None:
    answer = client_of(submitter).post(form_of("system.echo"), {"text": "from the admin"})
    job = Job.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, reverse("admin:jobs_app_job_change", args=[job.id]))
    assert (job.kind, job.parameters, job.owner, job.via) == (
        "system.echo", {"text": "from the admin"}, submitter, "admin",
    )  # fmt: skip


def test_faults_stand_at_their_fields_and_nothing_is_submitted(submitter: User) -> None:
    answer = client_of(submitter).post(form_of("system.sleep"), {"seconds": "4000"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(r'id="id_seconds_error">\s*<li>[^<]*3600', page)
    assert 'value="4000"' in page
    assert not Job.objects.exists()


def test_files_are_uploaded_with_the_form(submitter: User) -> None:
    file = SimpleUploadedFile("rivers.csv", b"station,level\nA,1\n", content_type="text/csv")
    answer = client_of(submitter).post(form_of("datasets.profile"), {"dataset": file})
    assert answer.status_code == 302, answer.content.decode()
    stored = Artifact.objects.get(owner=submitter)
    assert (stored.name, Job.objects.get().parameters) == ("rivers.csv", {"dataset": str(stored.id)})


def test_another_users_file_is_as_if_it_were_not_there(submitter: User, alice: User) -> None:
    theirs = artifacts.take_upload("secret.csv", [b"a,b\n1,2\n"], owner=alice, now=clock.database_now())
    answer = client_of(submitter).post(form_of("datasets.profile"), {"dataset-chosen": str(theirs.id)})
    assert answer.status_code == 422
    assert "not yours" in answer.content.decode()
    assert "secret.csv" not in answer.content.decode()
    assert not Job.objects.exists()


def test_who_may_not_submit_finds_the_pages_closed(viewer: User) -> None:
    client = client_of(viewer)
    assert client.get(reverse("admin:jobs_app_job_submit")).status_code == 403
    assert client.post(form_of("system.echo"), {"text": "hello"}).status_code == 403
    assert form_of("system.echo") not in client.get("/admin/jobs_app/job/").content.decode()
    assert not Job.objects.exists()


def test_a_kind_that_is_none_is_not_found(submitter: User) -> None:
    assert client_of(submitter).get(form_of("no.such")).status_code == 404
