"""Many submissions at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from jobs_app import registry
from jobs_app.core import clock, submission
from jobs_app.core.batches.lines import Line, Verdict
from jobs_app.core.batches.submitting import BATCH, Bulk, submit_many
from jobs_app.core.submission import Options
from jobs_app.errors import IdempotencyConflict, InvalidParameters, QueueFull, ShareExceeded, UnknownKind, WeirError
from jobs_app.lifecycle import State
from jobs_app.models import Event, Gate, Job, Term, Turnstile
from jobs_app.models.guard import writing
from tests.support.ledger import submitted
from tests.support.processes import eventually

pytestmark = pytest.mark.django_db
PLAIN = Options()


@pytest.fixture
def counted(transactional_db: None, nudged: list[str]) -> None:
    """What is committed is counted, and no gate remembers another test's jobs."""
    with writing():
        Gate.objects.all().delete()
        Turnstile.objects.all().delete()


def texts(count: int) -> list[dict[str, Any]]:
    return [{"text": f"number {each}"} for each in range(count)]


def bulk(lines: list[Line | WeirError], **options: Any) -> list[Verdict]:
    return list(Bulk(owner=options.pop("owner", None), **options).verdicts(lines))


def echo(text: str = "a", **more: Any) -> Line:
    return Line("system.echo", {"text": text}, more.pop("options", PLAIN), **more)


def found_of(many: Verdict) -> tuple[object, ...]:
    if many.error is not None:
        return type(many.error), str(many.error)
    job = Job.objects.whole().get(id=many.job_id)
    return job.parameters, job.request_digest, job.sealed is None


def found_alone(kind: registry.Kind, parameters: dict[str, Any], owner: User) -> tuple[object, ...]:
    try:
        one = submission.check(kind, parameters, owner)
    except WeirError as error:
        return type(error), str(error)
    return one.shown, one.digest, one.sealed is None


def columns(job: Job) -> dict[str, Any]:
    return {each.attname: getattr(job, each.attname) for each in Job._meta.concrete_fields if each.name != "id"}


def test_many_are_the_same_rows_as_one_by_one(alice: User) -> None:
    options: dict[str, Any] = {"owner": alice, "priority": 7, "tags": ["b", "a", "b"], "max_attempts": 3}
    text = 'tab\t, newline\n, backslash \\ and \\N, "quotes", ü, \u2028'
    one = submitted("system.echo", {"text": text}, **options)
    assert submit_many("system.echo", [{"text": text}], **options).accepted == 1
    many = Job.objects.whole().exclude(id=one.id).get()
    one = Job.objects.whole().get(id=one.id)
    times = dict.fromkeys(("created_at", "due_at"))
    assert columns(many) | times == columns(one) | times
    assert many.created_at == many.due_at
    told = ("name", "attempt", "source", "target", "actor_id", "reason")
    assert Event.objects.filter(job=many).values(*told).get() == Event.objects.filter(job=one).values(*told).get()
    assert set(Term.objects.filter(job=many).values_list("term")) == set(
        Term.objects.filter(job=one).values_list("term")
    )


def test_each_of_a_thousand_kinds_of_parameters_is_checked_as_one_alone_is(alice: User) -> None:
    """The lean way to check and ``submission.check`` say the same, of parameters that fit and of those that do not."""
    for kind in registry.all_kinds():
        for parameters in ({}, {"text": "a"}, {"text": "\0"}, {"seconds": 1, "steps": 2}, {"reason": "x" * 300_000}):
            if kind.preview is not None or kind.unique is not None:
                continue
            (many,) = bulk([Line(kind.name, parameters, PLAIN)], owner=alice)
            assert found_of(many) == found_alone(kind, parameters, alice), (kind.name, parameters)


def test_a_batch_takes_few_statements_however_many_jobs(
    alice: User, unhurried: None, django_assert_max_num_queries: Any
) -> None:
    submit_many("system.echo", texts(1), owner=alice)
    with django_assert_max_num_queries(30) as asked:
        assert submit_many("system.echo", texts(BATCH), owner=alice, idempotency_key="k").accepted == BATCH
    assert sum("INSERT" in each["sql"] for each in asked) <= 4 * (connection.vendor == "sqlite") + 2
    assert Job.objects.count() == Event.objects.count() == BATCH + 1


def test_the_same_key_again_gives_the_same_jobs_and_makes_those_that_are_missing() -> None:
    assert submit_many("system.echo", texts(5), idempotency_key="k").accepted == 5
    again = submit_many("system.echo", texts(8), idempotency_key="k")
    assert (again.accepted, again.replayed, Job.objects.count()) == (3, 5, 8)
    with pytest.raises(IdempotencyConflict) as conflict:
        submit_many("system.echo", [*texts(2), {"text": "another"}, {"text": "more"}], idempotency_key="k")
    assert conflict.value.accepted == 2
    assert Job.objects.count() == 8


def test_lines_of_one_key_are_one_job_wherever_they_stand() -> None:
    found = bulk([echo(key="k"), echo(key="k"), echo("b", key="k"), echo()])
    assert found[0].job_id == found[1].job_id != found[3].job_id
    assert [each.replayed for each in found] == [False, True, False, False]
    assert isinstance(found[2].error, IdempotencyConflict)
    assert Job.objects.count() == 2


def test_a_line_that_does_not_fit_is_refused_alone() -> None:
    found = bulk([echo(), Line("system.echo", {}, PLAIN), Line("no.such", {}, PLAIN), InvalidParameters([]), echo()])
    assert [type(each.error) for each in found] == [
        type(None),
        InvalidParameters,
        UnknownKind,
        InvalidParameters,
        type(None),
    ]
    assert [each.number for each in found] == [1, 2, 3, 4, 5]
    assert Job.objects.count() == 2


def test_in_python_it_stops_at_the_first_that_does_not_fit() -> None:
    with pytest.raises(InvalidParameters) as refused:
        submit_many("system.echo", [{"text": "a"}, {"text": "b"}, {"word": "c"}, {"text": "d"}])
    assert refused.value.accepted == Job.objects.count() == 2


def test_it_goes_as_far_as_there_is_room_and_says_how_far(counted: None, configured: Any, alice: User) -> None:
    configured(queue_limit=1500, user_share=1)
    with pytest.raises(QueueFull) as refused:
        submit_many("system.echo", texts(4000), owner=alice, idempotency_key="k")
    assert refused.value.accepted == Job.objects.count() == 1500
    assert refused.value.retry_after > 0
    configured(queue_limit=10_000, user_share=1)

    def again() -> int:
        try:
            return submit_many("system.echo", texts(4000), owner=alice, idempotency_key="k").accepted
        except QueueFull:  # the gate is counted again a tenth of a second after it closed
            return 0

    assert eventually(again, what="room") == 2500
    assert Job.objects.count() == 4000


def test_a_share_bounds_many_as_it_bounds_one(counted: None, configured: Any, alice: User) -> None:
    configured(queue_limit=1000, user_share=0.3)
    found = bulk([echo() for _ in range(400)], owner=alice)
    assert sum(each.error is None for each in found) == Job.objects.count() == 300
    assert {type(each.error) for each in found[300:]} == {ShareExceeded}
    assert len({each.error.retry_after for each in found[300:] if isinstance(each.error, ShareExceeded)}) == 1


def test_jobs_that_are_due_later_have_their_own_bound(counted: None, configured: Any, alice: User) -> None:
    configured(scheduled_limit=10)
    later = Options(due_at=clock.database_now().replace(year=2030))
    found = bulk([echo(options=later) for _ in range(15)], owner=alice)
    assert sum(each.error is None for each in found) == 10
    assert Job.objects.filter(state=State.SCHEDULED).count() == 10


def test_a_token_rate_counts_a_batch_as_one(configured: Any, alice: User) -> None:
    configured(token_rate=0.001, token_burst=2)
    from jobs_app.core import tokens

    token = tokens.issue(alice, "tests", now=clock.database_now())[0].pk
    options = Options(token=token)
    found = bulk([echo(options=options) for _ in range(2 * BATCH + 5)], owner=alice, token=token)
    assert sum(each.error is None for each in found) == 2 * BATCH
    assert {getattr(each.error, "code", "") for each in found[2 * BATCH :]} == {"rate-exceeded"}


def test_within_a_transaction_all_of_it_vanishes_with_the_rest() -> None:
    class Undone(Exception):
        pass

    def submit_and_fail() -> None:
        with transaction.atomic():
            assert submit_many("system.echo", texts(1200)).accepted == 1200
            assert Job.objects.count() == 1200
            raise Undone

    with pytest.raises(Undone):
        submit_and_fail()
    assert not Job.objects.exists()


def test_a_queue_is_nudged_once_a_batch(
    django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs_app.core import transport

    asked: list[str] = []
    monkeypatch.setattr(transport.publisher, "nudge", asked.append)
    with django_capture_on_commit_callbacks(execute=True):
        submit_many("system.echo", texts(BATCH + 1))
    assert asked == ["default", "default"]


def test_kinds_with_a_say_of_their_own_are_taken_too(alice: User) -> None:
    lines = [Line("probe.unique", {"customer": 1}, PLAIN), echo(), Line("probe.unique", {"customer": 1}, PLAIN)]
    found = bulk(lines, owner=alice)
    assert found[0].job_id == found[2].job_id
    assert [each.replayed for each in found] == [False, False, True]


def test_files_and_secrets_are_kept_as_for_one(alice: User, now: Any) -> None:
    from jobs_app.core import artifacts, sealing

    upload = artifacts.take_upload("input.csv", [b"x"], owner=alice, now=now)
    login = {"login": {"name": "u", "password": "hush"}}
    files = {"first": str(upload.id), "others": []}
    found = bulk(
        [Line("probe.files", files, PLAIN), Line("probe.files", {**files, "first": str(alice.pk)}, PLAIN)], owner=alice
    )
    assert isinstance(found[1].error, InvalidParameters)
    assert Job.objects.get(id=found[0].job_id).inputs.get().artifact_id == upload.id
    (one,) = bulk([Line("probe.signs_in", login, PLAIN)], owner=alice)
    job = Job.objects.whole().get(id=one.job_id)
    assert "hush" not in str(job.parameters)
    assert job.sealed is not None
    assert sealing.unseal(job.sealed)["login"]["password"] == "hush"


def test_estimates_span_from_the_first_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs_app.core import estimates

    asked: list[int] = []
    known = estimates.at_submission
    monkeypatch.setattr(estimates, "at_submission", lambda *a, **k: asked.append(k["jobs"]) or known(*a, **k))
    submit_many("system.echo", texts(7))
    assert asked == [7]
