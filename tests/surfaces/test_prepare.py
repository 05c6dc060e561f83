"""``manage.py prepare``: everything is there after the first run, and as people left it after the second."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask

from jobs_app.core import artifacts, execution, provisioning, roles
from jobs_app.core.schedules import ticks
from jobs_app.models import Artifact, Job, Queue, Schedule
from jobs_app.models.guard import writing
from tests.support.ledger import HOLDER, fresh

pytestmark = pytest.mark.django_db


def prepare() -> list[str]:
    out = StringIO()
    call_command("prepare", stdout=out)
    return out.getvalue().splitlines()


def schedule() -> PeriodicTask:
    return PeriodicTask.objects.get(name=provisioning.SCHEDULE)


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (Queue, Group, Artifact, PeriodicTask, User, Job)}


def test_the_first_run_makes_everything_and_says_so(configured: Any) -> None:
    configured(queues=("default", "slow"))
    with writing():
        Queue.objects.all().delete()  # a publisher of an earlier test may have made one
    lines = prepare()
    assert [line for line in lines if not line.startswith("made")] == []
    assert len(lines) == 2 + 4 + 1 + 1
    assert set(Queue.objects.values_list("name", flat=True)) == {"default", "slow"}


def test_the_second_run_changes_nothing() -> None:
    prepare()
    before, kwargs = counts(), schedule().kwargs
    assert [line for line in prepare() if not line.startswith("there")] == []
    assert (counts(), schedule().kwargs) == (before, kwargs)


def test_what_people_changed_stays_changed() -> None:
    prepare()
    group, ours = Group.objects.get(name="viewers"), schedule()
    group.permissions.clear()
    PeriodicTask.objects.filter(pk=ours.pk).update(enabled=True, kwargs='{"kind": "system.echo"}')
    with writing():
        Queue.objects.filter(name="default").update(window=7)
    prepare()
    assert group.permissions.count() == 0
    assert (schedule().enabled, schedule().kwargs) == (True, '{"kind": "system.echo"}')
    assert Queue.objects.get(name="default").window == 7


def test_the_schedule_is_disabled_and_its_job_does_real_work(now: Any) -> None:
    prepare()
    ours = schedule()
    assert not ours.enabled
    assert (ours.crontab.hour, ours.crontab.minute, str(ours.crontab.timezone)) == ("3", "15", "UTC")
    job = ticks.run_now(Schedule.objects.get(pk=ours.pk), actor=None, now=now).job
    execution.run([job.id], holder=HOLDER)
    job = fresh(job)
    assert (job.state, job.owner, job.error) == ("succeeded", None, "")
    assert job.result["rows"] == 400


def test_the_sample_is_small_whole_and_the_systems() -> None:
    prepare()
    sample = Artifact.objects.get()
    path = artifacts.path_of(sample.id)
    assert (sample.owner, sample.job, sample.content_type) == (None, None, "text/csv")
    assert path.read_bytes() == provisioning.SAMPLE.read_bytes()
    assert path.stat().st_size < 30_000
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400
    assert len({(row["station"], row["day"]) for row in rows}) == 400
    assert all(float(row["level_m"]) > 0 and float(row["flow_m3s"]) > 0 for row in rows)


def test_a_sample_whose_file_is_gone_is_stored_again_and_the_schedule_follows() -> None:
    prepare()
    lost = Artifact.objects.get()
    artifacts.path_of(lost.id).unlink()
    lines = prepare()
    sample = Artifact.objects.latest("id")
    assert sample.id != lost.id
    assert sum(line.startswith("made") for line in lines) == 2
    assert json.loads(schedule().kwargs)["parameters"] == {"dataset": str(sample.id)}
    assert counts()["PeriodicTask"] == 1


def test_groups_hold_what_their_names_say() -> None:
    prepare()

    def member(name: str) -> User:
        user = User.objects.create_user(name)
        user.groups.add(Group.objects.get(name=name))
        return user

    viewer, operator, submitter = member("viewers"), member("operators"), member("submitters")
    assert viewer.has_perms(["jobs_app.see_all_jobs", "jobs_app.view_job", "jobs_app.view_logline"])
    assert not viewer.has_perm("jobs_app.act_on_all_jobs")
    assert operator.has_perms(
        ["jobs_app.see_all_jobs", "jobs_app.act_on_all_jobs", "django_celery_beat.add_periodictask"]
    )
    assert submitter.has_perms(["jobs_app.add_job", "jobs_app.add_token"])
    assert not submitter.has_perm("jobs_app.see_all_jobs")
    others = set(roles.ROLES) - {"administrators"}
    granted = Permission.objects.filter(group__name__in=others).values_list("codename", flat=True)
    assert not [name for name in granted if name.endswith(("_user", "_group"))]


def test_before_a_migration_it_says_what_to_do() -> None:
    Permission.objects.filter(codename="see_all_jobs").delete()
    with pytest.raises(CommandError, match=r"manage\.py migrate"):
        prepare()
    assert not Group.objects.exists()  # all or nothing
