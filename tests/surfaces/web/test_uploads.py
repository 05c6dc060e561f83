"""Files in forms: uploaded or chosen, kept when another field is at fault, refused in words."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client, RequestFactory
from django.urls import reverse

from jobs_app.core import artifacts
from jobs_app.errors import NotAuthenticated
from jobs_app.forms.uploads import RefusedFile
from jobs_app.models import Artifact, Job
from tests.surfaces.web.conftest import file, logged_in

SUBMIT = "/submit/probe.files/"


def upload(owner: User, name: str = "earlier.csv", now: Any = None) -> Artifact:
    return artifacts.take_upload(name, [b"x"], owner=owner, now=now)


def test_an_upload_and_a_choice_become_inputs_of_the_job(alices: Client, alice: User, now: Any) -> None:
    earlier = upload(alice, now=now)
    answer = alices.post(
        SUBMIT, {"first": file("new.csv"), "others-chosen": [str(earlier.id)], "others": [file("more.csv")]}
    )
    assert answer.status_code == 302
    job = Job.objects.get()
    names = sorted(job.inputs.values_list("artifact__name", flat=True))
    assert names == ["earlier.csv", "more.csv", "new.csv"]
    assert job.parameters["others"][0] == str(earlier.id)


def test_a_file_stays_uploaded_and_chosen_when_another_field_is_wrong(alices: Client) -> None:
    answer = alices.post(
        "/submit/datasets.aggregate/", {"dataset": file("flights.csv"), "measure": "delay", "limit": "0"}
    )
    assert answer.status_code == 422
    kept = Artifact.objects.get()
    shown = answer.content.decode()
    assert f'<option value="{kept.id}" selected>' in shown
    assert 'value="delay"' in shown
    assert not Job.objects.exists()

    mended = {"dataset-chosen": str(kept.id), "group_by": "carrier", "measure": "delay", "statistics": "mean"}
    again = alices.post("/submit/datasets.aggregate/", mended)
    assert again.status_code == 302
    assert Artifact.objects.count() == 1


def test_no_room_for_an_upload_is_told_with_a_time_to_come_back(
    alices: Client, alice: User, now: Any, configured: Callable[..., None]
) -> None:
    configured(open_uploads=2, retry_after_seconds=77)
    upload(alice, now=now)
    answer = alices.post(SUBMIT, {"first": file("new.csv"), "others": [file("more.csv")]})
    assert (answer.status_code, answer["Retry-After"]) == (429, "77")
    shown = answer.content.decode()
    assert 'data-countdown="77"' in shown
    assert "at most 2 uploads of one user" in shown
    kept = Artifact.objects.get(name="new.csv")
    assert f'<option value="{kept.id}" selected>' in shown, "what was uploaded before it is chosen"
    assert not Job.objects.exists()


def test_a_required_file_that_is_missing_is_said_at_its_field(alices: Client) -> None:
    answer = alices.post(SUBMIT, {})
    assert answer.context["form"].errors["first"] == ["expected a file, got none"]


def test_only_my_own_uploads_are_offered(alices: Client, alice: User, bob: User, now: Any) -> None:
    upload(alice, "mine.csv", now)
    upload(bob, "his.csv", now)
    shown = alices.get(SUBMIT).content.decode()
    assert "mine.csv" in shown
    assert "his.csv" not in shown


def test_someone_elses_file_cannot_be_chosen(alices: Client, bob: User, now: Any) -> None:
    his = upload(bob, now=now)
    answer = alices.post(SUBMIT, {"first-chosen": str(his.id)})
    assert answer.status_code == 422
    assert "not yours" in answer.context["form"].errors["first"][0]
    assert "earlier.csv" not in answer.content.decode()


def test_a_bad_file_name_is_said_at_its_field(alices: Client) -> None:
    # Django itself cuts names to 255 characters, and drops paths and control characters from them.
    answer = alices.post(SUBMIT, {"first": file("a" * 300 + ".csv")})
    assert answer.status_code == 422
    assert "file name" in answer.context["form"].errors["first"][0]
    assert not Artifact.objects.exists()


def test_a_path_in_a_file_name_is_dropped(alices: Client) -> None:
    alices.post(SUBMIT, {"first": file("../../etc/passwd")})
    assert Artifact.objects.get().name == "passwd"


@pytest.mark.parametrize("size", [1_500, 1_500_000], ids=["in memory", "on disk"])
def test_a_file_over_the_limit_is_dropped_and_said_at_its_field(
    alices: Client, configured: Callable[..., None], size: int
) -> None:
    configured(upload_bytes=1_200)
    answer = alices.post(SUBMIT, {"first": file("big.csv", b"x" * size)})
    assert answer.status_code == 422
    assert "at most 1,200 bytes" in answer.context["form"].errors["first"][0]
    assert not Artifact.objects.exists()


def test_a_full_disk_is_said_at_the_field(alices: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)
    answer = alices.post(SUBMIT, {"first": file("big.csv", b"x" * 1_500_000)})
    assert answer.status_code == 422
    assert "room on the disk" in answer.context["form"].errors["first"][0]


def test_a_strangers_file_is_not_kept_while_the_request_is_read(rf: RequestFactory, alice: User) -> None:
    for user, taken in ((AnonymousUser(), False), (alice, True)):
        request = rf.post(SUBMIT, {"first": file("big.csv", b"x" * 1_500_000)})
        request.user = user
        sent = request.FILES["first"]
        assert isinstance(sent, RefusedFile) != taken
        if not taken:
            with pytest.raises(NotAuthenticated):
                list(sent.chunks())


def test_running_again_offers_the_old_jobs_file_however_old(alices: Client, alice: User, now: Any) -> None:
    alices.post(SUBMIT, {"first": file("old.csv")})
    job = Job.objects.get()
    for _ in range(100):
        upload(alice, now=now)
    shown = alices.get(reverse("job-change", args=[job.id])).content.decode()
    assert "old.csv" in shown


def test_an_operator_running_a_users_job_again_may_use_its_file(alices: Client, carol: User) -> None:
    alices.post(SUBMIT, {"first": file("hers.csv")})
    job = Job.objects.get()
    shown = logged_in(carol).get(reverse("job-change", args=[job.id])).content.decode()
    assert "hers.csv" in shown
