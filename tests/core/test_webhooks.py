"""Webhooks: who is told when a job ends, once for each end, signed, again and again, and no further than allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from standardwebhooks import Webhook

from jobs_app.core import claims, execution, outcomes, submission
from jobs_app.core.retention import deliveries as retention
from jobs_app.core.rollups import rolling
from jobs_app.core.turns import Turns
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed, NotFound, QueueFull
from jobs_app.lifecycle import State
from jobs_app.models import AuditEntry, Delivery, Endpoint, Job
from tests.core.kinds.receivers import Receiver, receiving, respond
from tests.support.ledger import HOLDER, altered, reaching, submitted
from tests.support.processes import Workers, eventually

pytestmark = pytest.mark.django_db
WORKER = "probe.nothing"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def made(owner: User, receiver: Receiver | None = None, *, now: datetime, **wanted: Any) -> Endpoint:
    url = receiver.url() if receiver else "https://example.org/hook"
    return endpoints.make(owner, Wanted(wanted.pop("name", "billing"), url, **wanted), now=now)[0]


def told(now: datetime) -> list[tuple[str, str]]:
    """What is noted after the events so far are counted: endpoint, event."""
    rolling.roll(now=now)
    return [(row.endpoint.name, row.event) for row in Delivery.objects.select_related("endpoint").order_by("id")]


def ended(owner: User | None, *, now: datetime, **options: Any) -> Job:
    """A job of this owner that has succeeded."""
    job = submitted(owner=owner, now=now, **options)
    (row,) = claims.claim([job.id], holder=HOLDER, now=now)
    assert outcomes.succeed(row, None, 4, now=now)
    return job


def handed(now: datetime) -> list[UUID]:
    """The jobs that deliver what was noted, the latest last."""
    sending.send(now=now)
    return list(Delivery.objects.exclude(sender=None).order_by("id").values_list("sender", flat=True))


def test_each_way_of_ending_is_told_once(alice: User, now: datetime) -> None:
    made(alice, now=now)
    for state in State:
        reaching(state, owner=alice, now=now)
    assert sorted(told(now)) == [("billing", f"job.{end}") for end in ("cancelled", "failed", "succeeded")]
    assert len(told(now)) == 3


def test_a_delivery_tells_of_the_job_and_of_no_parameter(alice: User, now: datetime) -> None:
    made(alice, now=now)
    job = ended(alice, now=now, kind="system.echo", parameters={"text": "between us"}, idempotency_key="order-7")
    told(now)
    data = Delivery.objects.get().data
    assert (data["id"], data["kind"], data["state"]) == (str(job.id), "system.echo", "succeeded")
    assert (data["owner"], data["idempotency_key"]) == ("alice", "order-7")
    assert "between us" not in json.dumps(data)


def test_others_jobs_are_told_to_whoever_may_see_them(alice: User, bob: User, carol: User, now: datetime) -> None:
    made(alice, now=now, name="alice's")
    made(carol, now=now, name="all", everybody=True)
    made(carol, now=now, name="carol's")
    ended(bob, now=now)
    ended(None, now=now)
    assert told(now) == [("all", "job.succeeded")] * 2
    carol.user_permissions.clear()
    ended(bob, now=now)
    assert len(told(now)) == 2
    with pytest.raises(NotAllowed, match="permission to see"):
        made(bob, now=now, everybody=True)
    refused = AuditEntry.objects.exclude(refused="").get()
    assert (refused.action, refused.actor) == ("webhook.make", "bob")


def test_kinds_states_and_names_choose(alice: User, bob: User, now: datetime) -> None:
    made(alice, now=now, name="echo", kinds=("system.echo",))
    made(alice, now=now, name="failures", states=("failed",))
    made(alice, now=now, name="named", named_only=True)
    made(alice, now=now, name="off", enabled=False)
    ended(alice, now=now)
    assert told(now) == []
    ended(alice, now=now, webhook="named")
    assert told(now) == [("named", "job.succeeded")]
    for unknown, owner in (("other", alice), ("named", bob), ("named", None)):
        with pytest.raises(InvalidRequest, match="endpoint of yours"):
            submitted(owner=owner, now=now, webhook=unknown)


def test_the_end_of_a_delivery_is_told_to_nobody(carol: User, now: datetime) -> None:
    made(carol, now=now, everybody=True)
    ended(carol, now=now)
    told(now)
    (sender,) = handed(now)
    altered(Job.objects.get(id=sender), state=State.QUEUED)
    (row,) = claims.claim([sender], holder=HOLDER, now=now)
    outcomes.succeed(row, None, 4, now=now)
    assert len(told(now)) == 1


def test_what_was_noted_is_handed_over_once(alice: User, now: datetime) -> None:
    made(alice, now=now)
    ended(alice, now=now)
    told(now)
    assert len(set(handed(now) + handed(now))) == 1
    job = Job.objects.get(kind="webhooks.deliver")
    assert job.owner is None
    assert "whsec" not in json.dumps(job.parameters)


def test_without_room_it_waits(alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    made(alice, now=now)
    ended(alice, now=now)
    told(now)
    with monkeypatch.context() as patch:
        patch.setattr(submission.admission, "enter", _refuse(QueueFull("full", retry_after=9)))
        assert handed(now) == []
    assert Delivery.objects.get().problem == ""
    assert len(handed(now)) == 1


def _refuse(error: Exception) -> Any:
    def refuse(*_: object, **__: object) -> None:
        raise error

    return refuse


def test_a_message_is_signed_and_a_replay_is_the_same(alice: User, receiver: Receiver, now: datetime) -> None:
    row, secret = endpoints.make(alice, Wanted("billing", receiver.url()), now=now)
    job = ended(alice, now=now)
    told(now)
    (sender,) = handed(now)
    execution.run([sender], holder=HOLDER)
    _, again = sending.replay(alice, Delivery.objects.get().pk, now=now)
    execution.run([again.id], holder=HOLDER)
    assert again.id != sender
    first, second = receiver.requests
    for _, headers, body in (first, second):
        message = Webhook(secret).verify(body, headers)
        assert (message["type"], message["data"]["id"]) == ("job.succeeded", str(job.id))
        assert headers["webhook-id"] == f"msg_{row.pk}_{job.id.hex}"
    assert Delivery.objects.get().sent == 2
    assert AuditEntry.objects.filter(action="webhook.replay").count() == 1


def test_a_new_secret_signs_from_then_on(alice: User, receiver: Receiver, now: datetime) -> None:
    row, old = endpoints.make(alice, Wanted("billing", receiver.url()), now=now)
    _, new = endpoints.renew(alice, row.pk, now=now)
    ended(alice, now=now)
    told(now)
    execution.run(handed(now), holder=HOLDER)
    ((_, headers, body),) = receiver.requests
    assert old != new
    Webhook(new).verify(body, headers)


def test_it_goes_to_public_addresses_only(alice: User, receiver: Receiver, now: datetime, settings: Any) -> None:
    settings.WEIR = settings.WEIR.model_copy(update={"webhook_private_hosts": ()})
    made(alice, receiver, now=now)
    ended(alice, now=now)
    told(now)
    (sender,) = handed(now)
    execution.run([sender], holder=HOLDER)
    job = Job.objects.get(id=sender)
    assert (job.state, receiver.requests) == (State.FAILED, [])
    assert "public addresses only" in job.error


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("", "https://example.org"), "a name of"),
        (Wanted("x", "ftp://example.org"), "url: expected a URL"),
        (Wanted("x", "https://user:word@example.org"), "without a user name"),
        (Wanted("x", "https://example.org", kinds=("no.such",)), "kinds that there are"),
        (Wanted("x", "https://example.org", states=("queued",)), "final states"),
    ],
)
def test_what_cannot_work_is_refused(alice: User, now: datetime, wanted: Wanted, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        endpoints.make(alice, wanted, now=now)
    assert not Endpoint.objects.exists()


def test_names_and_numbers_are_bounded(alice: User, bob: User, now: datetime) -> None:
    row = made(alice, now=now)
    made(bob, now=now)
    with pytest.raises(Conflict, match="another name"):
        made(alice, now=now)
    with pytest.raises(NotFound):
        endpoints.change(bob, row.pk, Wanted("mine", "https://example.org"), now=now)
    with pytest.raises(NotFound):
        endpoints.remove(bob, row.pk, now=now)
    for number in range(endpoints.MOST - 1):
        made(alice, now=now, name=f"n{number}")
    with pytest.raises(Conflict, match="at most 20"):
        made(alice, now=now, name="one more")


def test_the_log_is_kept_for_a_month(alice: User, now: datetime) -> None:
    made(alice, now=now)
    ended(alice, now=now)
    told(now)
    assert retention.prune(now=now + timedelta(days=29), turns=Turns(5)) == 0
    assert retention.prune(now=now + timedelta(days=31), turns=Turns(5)) == 1


def test_nothing_is_asked_where_nobody_wants_to_know(
    alice: User, now: datetime, django_assert_num_queries: Any
) -> None:
    ended(alice, now=now)
    rolling.roll(now=now)
    with django_assert_num_queries(1):
        sending.send(now=now)


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_comes_back_is_told(alice: User, receiver: Receiver, workers: Workers, now: datetime) -> None:
    """With real workers, upkeep and beat: the job ends, the first tries fail, a later one is taken."""
    answers = iter([500, 503])
    receiver.answer = lambda handler: respond(handler, next(answers, 204))
    _, secret = endpoints.make(alice, Wanted("billing", receiver.url()), now=now)
    submission.submit(WORKER, {}, owner=alice)
    eventually(lambda: len(receiver.requests) >= 3, 90, what="three tries")
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1
    for _, headers, body in receiver.requests:
        Webhook(secret).verify(body, headers)
    eventually(lambda: Job.objects.filter(kind="webhooks.deliver", state=State.SUCCEEDED).exists(), what="its end")
