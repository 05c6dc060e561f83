"""The single path: how few statements one submission takes, and that what they write is what the model would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs_app.core import clock, submission, tokens, transitions
from jobs_app.lifecycle import State, Via
from jobs_app.models import Event, Job, Term, Token
from jobs_app.models.guard import writing
from tests.support.ledger import fresh, submitted

ECHO = {"text": "hello"}
DAY = timedelta(days=1)
ONE = {
    "postgresql": ["INSERT"],
    "sqlite": ["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"],
}
"""What is said to the database for one job: its row, its event and its terms."""


def verbs(act: Callable[[], object]) -> list[str]:
    """The first word of each statement that it takes; of one that begins with WITH, what it does in the end."""
    with CaptureQueriesContext(connection) as queries:
        act()
    lines = ["\n".join(line for line in each["sql"].splitlines() if not line.startswith("--")) for each in queries]
    return ["INSERT" if line.startswith("WITH") else line.split()[0] for line in lines]


@pytest.fixture
def posts(transactional_db: None, alice: User, configured: Callable[..., None], unhurried: None) -> Callable[..., Any]:
    """Submit over HTTP with a token of alice's, who has asked before: what is kept for a second is there."""
    configured(queue_limit=1_000_000, user_share=1.0, token_share=1.0, token_rate=0)
    _, text = tokens.issue(alice, "laptop", now=clock.database_now())
    client = Client(headers={"Authorization": f"Bearer {text}"})

    def post(**headers: str) -> Any:
        body = {"kind": "system.echo", "parameters": ECHO}
        answer = client.post("/api/jobs", body, content_type="application/json", headers=headers)
        assert answer.status_code in {200, 202}, answer.content
        return answer

    return post


def test_a_submission_over_http_says_what_it_writes_and_asks_nothing(posts: Callable[..., Any]) -> None:
    assert warm(posts) == ONE[connection.vendor]
    assert Job.objects.count() == Event.objects.count() == Term.objects.count() > 1


def test_a_key_costs_one_look(posts: Callable[..., Any]) -> None:
    keys = iter(range(1000))
    assert warm(lambda: posts(**{"Idempotency-Key": f"key {next(keys)}"})) == ["SELECT", *ONE[connection.vendor]]
    assert warm(lambda: posts(**{"Idempotency-Key": "key 0"})) == ["SELECT"]


@pytest.mark.usefixtures("transactional_db", "unhurried")
def test_a_submission_in_python_says_what_it_writes_and_asks_nothing(alice: User) -> None:
    submission.submit("system.echo", ECHO, owner=alice)
    assert warm(lambda: submission.submit("system.echo", ECHO, owner=alice)) == ONE[connection.vendor]


@pytest.mark.usefixtures("unhurried")
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="on SQLite the gate is looked at each time")
def test_within_the_callers_transaction_it_needs_no_savepoint(alice: User) -> None:
    assert warm(lambda: submission.submit("system.echo", ECHO, owner=alice)) == ["INSERT"]


def warm(act: Callable[[], object]) -> list[str]:
    """The fewest statements of some tries, after one: a second may be over in the midst of any."""
    act()
    return min((verbs(act) for _ in range(6)), key=len)


def test_a_row_is_as_the_model_would_write_it(alice: User, now: datetime) -> None:
    first = submitted("system.echo", ECHO, owner=alice, now=now)
    token, _ = tokens.issue(alice, "laptop", now=now)
    given = {
        "priority": 7, "token_id": token.pk, "sealed": b"\x00\xff'", "idempotency_key": "k%s\\",
        "rerun_of_id": first.id, "trace": "00-a-b-01", "max_attempts": 5, "timeout": timedelta(days=3, microseconds=7),
        "hard_timeout": timedelta(hours=1), "tags": ["nightly", "%s", "é\"'"], "expires_at": now + DAY,
        "parameters": {"a": [1, None, "%(id)s"], "b": {"c": 1e300, "d": True}}, "webhook": 5,
        "start_from": now, "start_until": now + DAY, "finish_from": now, "finish_until": now + 2 * DAY,
    }  # fmt: skip
    plain = {
        "kind": "system.echo", "queue": "default", "state": State.QUEUED, "owner": alice, "via": Via.API,
        "request_digest": "d" * 64, "created_at": now, "due_at": now, "parameters": {},
    }  # fmt: skip
    for values in (plain, plain | given):
        made, saved = Job(**values), Job(**values | {"idempotency_key": None})
        transitions.create(made, now=now, actor=alice, terms=[1 - 2**63, 0, 2**63 - 1])
        with writing():
            saved.save(force_insert=True)
        rows = {row.pop("id"): row for row in Job.objects.whole().values()}
        assert rows[made.id].pop("idempotency_key") == values.get("idempotency_key")
        assert rows[saved.id].pop("idempotency_key") is None
        assert rows[made.id] == rows[saved.id]
        assert sorted(Term.objects.filter(job=made).values_list("term", flat=True)) == [1 - 2**63, 0, 2**63 - 1]
        event = Event.objects.get(job=made)
        assert (event.name, event.attempt, event.at, event.source, event.target, event.actor, event.reason) == (
            "submitted", 0, now, "", "queued", alice, "api",
        )  # fmt: skip
        made.refresh_from_db()
        assert made == fresh(made)


def test_every_column_of_a_job_is_written_or_has_a_value_without() -> None:
    """A column that is added later must be among those that the statement writes, or be NULL, or have a default."""
    text = "\n".join(transitions.sql.statements("submit"))
    columns = text.partition("jobs_app_job (")[2].partition(")")[0].replace("\n", " ").split(",")
    named = {each.strip() for each in columns}
    needed = {
        field.column for field in Job._meta.concrete_fields
        if not field.null and field.db_default is models.NOT_PROVIDED
    }  # fmt: skip
    assert needed <= named
    assert set(transitions.SUBMITTED) <= named
    for column in named - set(transitions.SUBMITTED):  # written as they are in the statement
        default = Job._meta.get_field(column).get_default()
        assert default in {0, ""}, f"{column} has the default {default!r}"


@pytest.mark.django_db(transaction=True)
def test_a_job_that_cannot_be_written_leaves_nothing(now: datetime) -> None:
    one = submitted(now=now, idempotency_key="k")
    twin = Job(**{each: getattr(one, each) for each in transitions.SUBMITTED if each != "id"})
    with pytest.raises(IntegrityError):
        transitions.create(twin, now=now, actor=None, terms=[1])
    assert Job.objects.get().id == one.id
    assert Event.objects.count() == 1
    assert not Term.objects.filter(term=1).exists()


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_rolled_back_leaves_nothing(alice: User, now: datetime) -> None:
    with transaction.atomic():
        submitted("system.echo", ECHO, owner=alice, now=now, idempotency_key="k")
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert not Event.objects.exists()
    assert not Term.objects.exists()


def test_a_key_that_is_taken_meanwhile_does_not_break_the_callers_transaction(alice: User, now: datetime) -> None:
    """As when another process commits the key between the look and the insert."""
    first = submitted("system.echo", ECHO, owner=alice, now=now, idempotency_key="k")
    looks = iter([None])
    earlier = submission._earlier
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission, "_earlier", lambda *given: next(looks, first) and earlier(*given))
        with transaction.atomic():
            again = submitted("system.echo", ECHO, owner=alice, now=now, idempotency_key="k")
            assert Job.objects.count() == 1  # the transaction can go on
    assert again.id == first.id


def test_a_token_is_known_for_a_second(alice: User, now: datetime, django_assert_num_queries: Any) -> None:
    at = 0.0
    known = tokens.Known(lambda: at)
    row, _ = tokens.issue(alice, "laptop", now=now)
    found = known.find(row.digest)
    assert found is not None
    Token.objects.filter(id=row.id)._raw_delete("default")  # by another process
    at = 0.99
    with django_assert_num_queries(0):
        assert known.find(row.digest) is found
    at = 1.0
    assert known.find(row.digest) is None
    with django_assert_num_queries(1):
        assert known.find(row.digest) is None  # what is not there is not remembered


@pytest.mark.parametrize("change", ["revoked", "deactivated", "deleted"])
def test_what_this_process_changes_of_a_token_holds_at_once(
    posts: Callable[..., Any], alice: User, change: str
) -> None:
    posts()
    row = Token.objects.get()
    if change == "revoked":
        tokens.revoke(row, now=clock.database_now())
    elif change == "deactivated":
        alice.is_active = False
        alice.save()
    else:
        with writing():
            Job.objects.update(token=None)
            row.delete()
    with pytest.raises(AssertionError, match="expected"):
        posts()


def test_what_this_process_changes_of_rights_holds_at_once(
    posts: Callable[..., Any], alice: User, configured: Callable[..., None]
) -> None:
    from jobs_app.core import roles

    configured(roles_required=True, queue_limit=1_000_000, token_rate=0)
    with pytest.raises(AssertionError, match="permission to submit"):
        posts()
    roles.give(alice, "submitters", actor=None, now=clock.database_now())
    posts()
    roles.take(alice, "submitters", actor=None, now=clock.database_now())
    with pytest.raises(AssertionError, match="permission to submit"):
        posts()


@pytest.mark.django_db
def test_the_time_is_reckoned_from_the_databases(django_assert_num_queries: Any) -> None:
    asked = clock.database_now()
    with django_assert_num_queries(0):
        reckoned = clock.ledger_now()
    assert asked <= reckoned <= clock.database_now()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no clock of its own")
@pytest.mark.django_db
def test_a_time_that_is_old_or_came_slowly_is_not_reckoned_from(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    clock.database_now()
    monkeypatch.setattr(clock, "TRUSTED_SECONDS", 0.0)
    with django_assert_num_queries(1):
        clock.ledger_now()
    monkeypatch.setattr(clock, "TRUSTED_SECONDS", 1.0)
    monkeypatch.setattr(clock, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(clock, "_answer", None)
    for _ in range(2):
        with django_assert_num_queries(1):
            clock.ledger_now()
