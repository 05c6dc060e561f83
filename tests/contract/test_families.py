"""Whatever the way in: a preview comes with the job or not at all, and a parent is cancelled with its children."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User

from jobs_app.core import execution
from jobs_app.models import Job
from tests.contract.surfaces import SURFACES, Surface
from tests.support.ledger import submitted

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


@pytest.fixture
def chief(transactional_db: None) -> User:
    return User.objects.create_superuser("chief", password="chief's password")


@pytest.mark.parametrize("surface", SURFACES)
def test_a_preview_is_there_when_the_submission_is(chief: User, surface: type[Surface]) -> None:
    made = surface(chief).submit("family.preview", {"name": "new"})
    assert isinstance(made, UUID), f"{surface.__name__} refused: {made}"
    assert Job.objects.whole().get(id=made).preview == {"name": "new", "job": str(made), "owner": "chief"}
    assert Group.objects.get().name == "new"


@pytest.mark.parametrize("surface", SURFACES)
def test_a_preview_that_fails_refuses_the_submission_in_words(chief: User, surface: type[Surface]) -> None:
    refusal = surface(chief).submit("family.preview", {"name": "new", "way": "discard"})
    assert isinstance(refusal, str), f"{surface.__name__} accepted it"
    assert "expected another name" in refusal
    assert "Traceback" not in refusal
    assert not Job.objects.exists()
    assert not Group.objects.exists()


@pytest.mark.parametrize("surface", SURFACES)
def test_cancelling_a_parent_cancels_its_children(chief: User, surface: type[Surface]) -> None:
    parent = submitted("family.parent", {"count": 3, "failing": []}, owner=chief)
    execution.run([parent.id], holder="worker@test/1/message")
    assert Job.objects.get(id=parent.id).state == "blocked"
    assert surface(chief).cancel(parent.id) == parent.id
    states = Job.objects.values_list("state", flat=True)
    assert list(states) == ["cancelled"] * 4
