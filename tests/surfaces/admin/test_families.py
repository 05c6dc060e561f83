"""Families and previews in the admin and on the command line."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.authoring import Child
from jobs_app.core import families, spawning
from jobs_app.models import Job
from tests.support.ledger import claimed, submitted
from tests.surfaces.cli.support import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def parent(alice: User, now: datetime) -> Job:
    row = claimed(submitted("family.parent", {"count": 0, "failing": []}, owner=alice, now=now))
    spawning.spawn(row, [Child("family.child", key=key) for key in "ab"], now=now)
    families.release("default", now=now)
    return row


def test_the_admin_leads_from_parent_to_children_and_back(parent: Job, now: datetime) -> None:
    chief = Client()
    chief.force_login(User.objects.create_superuser("chief"))
    address = f"/admin/jobs_app/job/?parent__id__exact={parent.id}"
    assert (
        f'<a href="{address}">2</a>: 2 wait' in chief.get(f"/admin/jobs_app/job/{parent.id}/change/").content.decode()
    )
    listed = chief.get(address).content.decode()
    child = Job.objects.filter(parent=parent).first()
    assert child is not None
    assert str(child.id) in listed
    page = chief.get(f"/admin/jobs_app/job/{child.id}/change/").content.decode()
    assert f"/admin/jobs_app/job/{parent.id}/change/" in page
    job = submitted("family.preview", {"name": "shown at once"}, now=now)
    assert "shown at once" in chief.get(f"/admin/jobs_app/job/{job.id}/change/").content.decode()


def test_the_command_line_shows_families_and_previews(parent: Job, now: datetime) -> None:
    shown = jobs("show", str(parent.id)).out
    assert "spawned jobs 0 of 2 ended: 2 wait" in shown
    assert jobs("show", str(parent.id), "--json").document["children"]["waiting"] == 2
    listed = jobs("list", "--parent", str(parent.id), "--json").document["jobs"]
    assert {each["parent"] for each in listed} == {str(parent.id)}
    assert len(listed) == 2
    job = submitted("family.preview", {"name": "shown at once"}, now=now)
    assert "shown at once" in jobs("show", str(job.id)).out.split("Preview")[1]
    made = jobs("submit", "family.preview", "--name", "another")
    assert 'Shown at once: {"name": "another"' in made.err
