"""Whatever the way in, the ledger has the same row and the job the same result."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app.models import Job
from tests.contract.surfaces import SURFACES, Surface
from tests.support.processes import Workers, finished

SAME = (
    "kind", "queue", "priority", "tags", "parameters", "sealed", "request_digest", "rerun_of_id", "parent_id",
    "max_attempts", "timeout", "hard_timeout", "expires_at", "owner_id", "state", "attempt", "failures", "kills",
    "result", "error", "progress", "result_bytes",
)  # fmt: skip
TEXT = 'über 10 %, "quoted" and <b>bold</b>'


@pytest.fixture
def chief(db: None) -> User:
    return User.objects.create_superuser("chief", password="chief's password")


def test_five_ways_in_give_the_same_row_and_the_same_result(workers: Workers, transactional_db: None) -> None:
    chief = User.objects.create_superuser("chief", password="chief's password")
    rows = {}
    for surface in SURFACES:
        made = surface(chief).submit("system.echo", {"text": TEXT})
        assert isinstance(made, UUID), f"{surface.__name__} refused: {made}"
        rows[surface] = finished(made)

    first = rows[SURFACES[0]]
    assert first.state == "succeeded"
    assert TEXT in str(first.result)
    for surface, row in rows.items():
        assert row.via == surface.via
        assert {name: getattr(row, name) for name in SAME} == {name: getattr(first, name) for name in SAME}, surface
        assert row.events.count() == first.events.count()


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("system.echo", {}, "text"),
        ("system.sleep", {"seconds": "many"}, "number"),
        ("system.sleep", {"seconds": "-1"}, "greater"),
    ],
    ids=["missing", "wrong type", "out of bounds"],
)
def test_a_refusal_writes_nothing_and_says_why(
    chief: User, surface: type[Surface], kind: str, parameters: dict[str, str], words: str
) -> None:
    refusal = surface(chief).submit(kind, parameters)
    assert isinstance(refusal, str), f"{surface.__name__} accepted it"
    assert words in refusal
    assert "Traceback" not in refusal
    assert not Job.objects.exists()


@pytest.mark.parametrize("surface", SURFACES)
def test_an_unknown_kind_is_refused(chief: User, surface: type[Surface]) -> None:
    refusal = surface(chief).submit("no.such.kind", {"text": "x"})
    assert isinstance(refusal, str), f"{surface.__name__} accepted it"
    # In the admin a kind is a part of the address, and an address that is not there is a 404 page.
    assert "no.such.kind" in refusal or "There is nothing here" in refusal
    assert not Job.objects.exists()


@pytest.mark.parametrize("surface", SURFACES)
def test_a_full_queue_refuses_on_every_way_in_and_says_when_to_come_back(
    transactional_db: None, nudged: list[str], configured: Callable[..., None], surface: type[Surface]
) -> None:
    chief = User.objects.create_superuser("chief", password="chief's password")
    configured(queue_limit=1, user_share=1, token_share=1)
    first = surface(chief).submit("system.echo", {"text": TEXT})
    assert isinstance(first, UUID), f"{surface.__name__} refused: {first}"
    for refusal in (surface(chief).submit("system.echo", {"text": TEXT}), surface(chief).rerun(first)):
        assert isinstance(refusal, str), f"{surface.__name__} accepted it"
        assert "1 job waits in queue default, and its limit is 1" in refusal
        assert "try again in 300 s" in refusal
    assert Job.objects.count() == 1
