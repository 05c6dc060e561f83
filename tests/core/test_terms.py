"""Tags and values of parameters: what a job is found by, and what it is never found by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs_app import searching
from jobs_app.context import Child
from jobs_app.core import control, spawning, terms
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import rolling
from jobs_app.criteria import JobFilter, parameter_term
from jobs_app.errors import InvalidRequest
from jobs_app.models import Job, Term
from jobs_app.parameters import MASK
from jobs_app.reads import jobs
from tests.support.ledger import claimed, submitted


def found(text: str, user: User | None = None) -> list[Any]:
    return [each.id for each in jobs.job_page(user, searching.parse(text)).jobs]


def test_a_job_is_found_by_its_tags_and_by_the_values_of_its_parameters(alice: User, now: datetime) -> None:
    plain = submitted("system.echo", {"text": "two words"}, owner=alice, now=now)
    tagged = submitted("system.sleep", {"seconds": 2}, owner=alice, now=now, tags=("nightly", "a b", "nightly"))
    assert found("tag:nightly") == found('tag:nightly tag:"a b"') == found("param.seconds:2") == [tagged.id]
    assert found("param.seconds:2.0 tag:nightly kind:system.sleep owner:alice") == [tagged.id]
    assert found('param.text:"two words"') == [plain.id]
    assert found("tag:nightly tag:weekly") == found("param.seconds:3") == found("param.text:2") == found("tag:2") == []
    assert jobs.job(alice, tagged.id).tags == ["nightly", "a b"]
    assert jobs.job(alice, plain.id).tags == []


def test_a_strangers_tags_find_nothing(alice: User, bob: User) -> None:
    submitted("system.echo", {"text": "plain"}, owner=alice, tags=("nightly",))
    assert found("tag:nightly", bob) == found("param.text:plain", bob) == []


def test_a_spawned_job_is_found_by_its_parameters(alice: User, now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}, owner=alice, now=now))
    (child,) = spawning.spawn(parent, [Child("system.echo", {"text": "spawned"}, key="one")], now=now)
    assert found("param.text:spawned") == [child]


@pytest.mark.parametrize("token", ["hunter2hunter2", "", MASK])
def test_no_secret_is_found_by_not_even_as_a_digest(token: str, alice: User, now: datetime) -> None:
    job = submitted("probe.secretive", {"token": token}, owner=alice, now=now)
    assert not Term.objects.filter(job=job).exists()
    for guess in (token, MASK, ""):
        assert found(searching.text_of(JobFilter(parameters=(("token", guess),)))) == []


def test_only_plain_parameters_at_the_top_are_found_by_and_only_so_many(now: datetime) -> None:
    job = Job(parameters={f"p{n:02}": n for n in range(40)} | {"list": [1], "long": "a" * 201, "none": None})
    kept = {each.term for each in terms.of(job, None)}  # type: ignore[arg-type]
    assert kept == {parameter_term(f"p{n:02}", str(n)) for n in range(terms.PARAMETERS)}


@pytest.mark.parametrize("tags", [["x"] * 11, [""], ["a" * 51], ["tab\tbed"], [" a"], ["\0"]])
def test_tags_that_cannot_be_are_refused_and_nothing_is_written(db: None, tags: list[str]) -> None:
    with pytest.raises(InvalidRequest, match=r"expected (at most 10 tags|a tag of 1 to 50 printable characters)"):
        submitted(tags=tags)
    assert not Job.objects.exists()


def test_a_job_that_is_run_again_keeps_its_tags_unless_it_is_given_others(alice: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now, tags=("nightly",))
    again = control.rerun(job.id, actor=alice, now=now).job
    other = control.rerun(job.id, actor=alice, now=now, tags=()).job
    assert found("tag:nightly") == [again.id, job.id]
    assert other.tags is None


def test_a_jobs_terms_go_with_it(alice: User, now: datetime, configured: Callable[..., None]) -> None:
    configured(keep_cancelled_days=1)
    job = submitted("system.echo", {"text": "a"}, owner=alice, now=now, tags=("nightly",))
    control.cancel(job.id, actor=alice, now=now)
    assert Term.objects.count() == 2
    later = now + timedelta(days=2)
    rolling.roll(now=later)
    assert pruning.run(now=later)["jobs"] == 1
    assert not Job.objects.exists()
    assert not Term.objects.exists()
