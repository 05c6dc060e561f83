"""Failures that are alike make a group: counted once each, shown to whom they belong, resolved by operators."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import DjangoAssertNumQueries

from jobs_app.authoring import Child
from jobs_app.core import claims, control, execution, failure_control, families, outcomes, rescue, spawning
from jobs_app.core.retention import groups, pruning
from jobs_app.core.rollups import failing, rolling
from jobs_app.core.turns import Turns
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.fingerprints import Fault, Status
from jobs_app.models import AuditEntry, FailureCount, FailureGroup, FailureSight, Job
from jobs_app.models.failure import EVERYBODY
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY, Snooze
from jobs_app.reads import failures
from jobs_app.reads.failures import Sort, Tab, Wanted
from jobs_app.steps import Step
from tests.support.failing import failed, rolled
from tests.support.ledger import HOLDER, altered, claimed, fresh, run, submitted

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
FILE = "tests/support/kinds_of_every_type.py"


def sight(fingerprint: str, owner: int = EVERYBODY) -> tuple[int, int]:
    row = FailureSight.objects.get(group=fingerprint, owner=owner)
    return row.times, row.jobs


def test_a_real_handlers_failures_have_the_fingerprint_of_their_place(now: datetime) -> None:
    first, second = run("probe.raises", {"error": "ValueError"}), run("probe.raises", {"error": "ValueError"})
    other = run("probe.raises", {"error": "KeyError"})
    assert first.fingerprint == second.fingerprint != other.fingerprint
    rolled(now)
    group = FailureGroup.objects.get(pk=first.fingerprint)
    assert (group.kind, group.error_type, group.place) == ("probe.raises", "ValueError", f"{FILE}:raises")
    assert sight(group.fingerprint) == (2, 0), "attempts that are tried again are failures of no job yet"


def test_every_attempt_is_seen_and_a_job_fails_once(now: datetime) -> None:
    job = submitted("probe.raises", {"error": "ValueError"}, now=now)
    for _ in range(3):
        altered(job, state="queued")
        execution.run([job.id], holder=HOLDER)
    assert fresh(job).state == "failed"
    rolled(now)
    assert sight(fresh(job).fingerprint) == (3, 1)
    assert FailureGroup.objects.count() == 1


def test_a_long_message_leaves_the_place_to_be_seen(now: datetime) -> None:
    first, second = (run("probe.fails", {"reason": letter * 40_000}) for letter in "ab")
    assert first.fingerprint == second.fingerprint
    assert "kinds_of_every_type.py" in first.attempts.get().traceback


def test_what_a_handler_gives_up_is_grouped_by_where_it_did(now: datetime) -> None:
    first, second = run("probe.discards"), run("probe.discards")
    attempt = first.attempts.get()
    assert Fault(first.kind, attempt.error_type, attempt.error, attempt.traceback).place == f"{FILE}:discards"
    assert first.fingerprint == second.fingerprint
    # It is given by our own encoding of results, which is no place of the handler's.
    unkept = run("probe.unserialisable").attempts.get()
    assert (unkept.error_type, unkept.traceback) == ("Discard", "")


def test_what_fails_without_a_traceback_is_grouped_by_its_message(now: datetime) -> None:
    late = [submitted(now=now, expires_at=now + SECOND) for _ in range(2)]
    assert rescue.expire_waiting(now=now + MINUTE) == 2
    assert len({fresh(job).fingerprint for job in late}) == 1
    parents = [claimed(submitted("family.parent", {"count": 1, "failing": []}, now=now), now=now) for _ in range(2)]
    for parent in parents:
        spawning.spawn(parent, [Child("family.child", key="one")], now=now)
        outcomes.succeed(parent, None, 4, now=now)
        families.release("default", now=now)
        child = claimed(Job.objects.get(parent=parent), now=now)
        outcomes.fail(child, outcomes.Failure("no 17", "ValueError"), ValueError(), NO_RETRY, now=now)
        families.settle(parent.id, now=now)
    assert len({fresh(job).fingerprint for job in parents}) == 1
    rolled(now)
    assert sight(fresh(late[0]).fingerprint) == (2, 2)
    assert sight(fresh(parents[0]).fingerprint) == (2, 2)


def test_a_lost_worker_is_seen_each_time_and_ends_in_the_same_group(now: datetime, configured: object) -> None:
    configured(max_kills=2)  # type: ignore[operator]
    job = submitted(now=now)
    for place in range(2):
        claims.claim([job.id], holder=f"worker/{place}/m", now=now)
        assert rescue.lost_child([job.id], "m", now=now, reason="its worker process exited with code 9") == 1
    assert fresh(job).state == "failed"
    rolled(now)
    assert sight(fresh(job).fingerprint) == (2, 1)
    assert FailureGroup.objects.get().error_type == "WorkerLost"


def test_what_was_put_off_or_given_back_is_no_failure(now: datetime) -> None:
    snoozed = claimed(submitted(now=now), now=now)
    outcomes.fail(snoozed, outcomes.Failure("later", "Snooze"), Snooze(HOUR), NO_RETRY, now=now)
    claims.give_back(claimed(submitted(now=now), now=now), now=now, reason="its worker was told to stop")
    rolled(now)
    assert not FailureGroup.objects.exists()
    assert fresh(snoozed).fingerprint == ""


def test_each_failure_is_counted_once_whatever_crashes(
    now: datetime, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "BATCH", 3)
    jobs = [failed(alice, now=now, final=final) for final in (True, False, True, True, True)]
    note, crashes = failing.note, iter([True, False, True, False, False])

    def crashing(*arguments: object, **named: datetime) -> None:
        note(*arguments, **named)  # type: ignore[arg-type]
        if next(crashes, False):
            raise RuntimeError("killed before the commit")

    monkeypatch.setattr(failing, "note", crashing)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            rolled(now)
    rolled(now)
    rolled(now)
    assert sight(jobs[0].fingerprint) == sight(jobs[0].fingerprint, alice.pk) == (5, 4)
    for step in Step:
        counts = FailureCount.objects.filter(step=step, owner=EVERYBODY)
        assert sum(counts.values_list("times", flat=True)) == 5


def test_two_aggregators_count_once(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    job = failed(now=now)
    look, inner = failing.look, iter([True])

    def interrupted(ids: list[int]) -> list[failing.Seen]:
        seen = look(ids)
        if next(inner, False):
            rolled(now)  # another one is quicker
        return seen

    monkeypatch.setattr(failing, "look", interrupted)
    rolled(now)
    rolled(now)
    assert sight(job.fingerprint) == (1, 1)


def test_jobs_settled_by_the_release_before_are_marked_when_they_are_counted(now: datetime) -> None:
    job = failed(now=now)
    fingerprint = job.fingerprint
    altered(job, fingerprint="")
    rolled(now)
    assert fresh(job).fingerprint == fingerprint
    assert sight(fingerprint) == (1, 1)


def test_resolved_and_seen_again_is_open_again(now: datetime, carol: User) -> None:
    fingerprint = failed(now=now).fingerprint
    rolled(now)
    late = failed(now=now + SECOND)
    failure_control.resolve(fingerprint, actor=carol, now=now + MINUTE, note=" mended in 1.2 ")
    rolled(now + MINUTE)
    group = FailureGroup.objects.get()
    assert late.fingerprint == group.fingerprint
    assert (group.status, group.note, group.status_by) == ("resolved", "mended in 1.2", carol), "it failed before that"
    failed(now=now + 2 * MINUTE)
    rolled(now + 2 * MINUTE)
    assert FailureGroup.objects.get().status == Status.REGRESSED
    assert failures.counts(None) == {Tab.OPEN: 1, Tab.RESOLVED: 0, Tab.IGNORED: 0, Tab.ALL: 1}


def test_ignored_stays_ignored_until_its_time(now: datetime, carol: User) -> None:
    fingerprint = failed(now=now).fingerprint
    rolled(now)
    failure_control.ignore(fingerprint, actor=carol, now=now, until=now + DAY)
    failed(now=now + HOUR)
    rolled(now + HOUR)
    assert FailureGroup.objects.get().status == Status.IGNORED
    rolled(now + DAY)
    group = FailureGroup.objects.get()
    assert (group.status, group.ignored_until) == (Status.OPEN, None)
    failure_control.ignore(fingerprint, actor=carol, now=now)
    failed(now=now + 2 * DAY)
    rolled(now + 400 * DAY)
    assert FailureGroup.objects.get().status == Status.IGNORED, "for good"
    failure_control.reopen(fingerprint, actor=carol, now=now)
    assert FailureGroup.objects.get().status == Status.OPEN


def test_only_operators_say_what_becomes_of_a_group(now: datetime, alice: User, bob: User, carol: User) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    for verb in (failure_control.resolve, failure_control.ignore, failure_control.reopen):
        with pytest.raises(NotAllowed):
            verb(fingerprint, actor=alice, now=now)
        for actor, wanted in ((bob, fingerprint), (bob, "0" * 16), (carol, "0" * 16), (carol, "\0")):
            with pytest.raises(NotFound):
                verb(wanted, actor=actor, now=now)
        with pytest.raises(InvalidRequest, match="at most 1,000 characters"):
            verb(fingerprint, actor=carol, now=now, note="x" * 1001)
    for until in (now, now + 400 * DAY):
        with pytest.raises(InvalidRequest, match="within a year"):
            failure_control.ignore(fingerprint, actor=carol, now=now, until=until)
    assert FailureGroup.objects.get().status == Status.OPEN
    refused = AuditEntry.objects.exclude(refused="").filter(subject=f"failure {fingerprint}")
    assert set(refused.values_list("actor", "action")) == {
        (who, f"failure.{verb}") for who in ("alice", "bob") for verb in ("resolve", "ignore", "reopen")
    }
    failure_control.ignore(fingerprint, actor=carol, now=now, until=now + HOUR, note="known")
    entry = AuditEntry.objects.get(actor="carol", refused="")
    assert (entry.action, entry.before["status"], entry.after["status"]) == ("failure.ignore", "open", "ignored")
    assert entry.after["note"] == "known"


def test_everyone_reads_of_their_own_and_operators_of_all(now: datetime, alice: User, bob: User, carol: User) -> None:
    shared = failed(alice, now=now, error="no sheet 'of alice'").fingerprint
    for _ in range(2):
        failed(bob, now=now + SECOND, error="no sheet 'of bob'")
    other = failed(bob, now=now, error="something else").fingerprint
    rolled(now)
    failure_control.resolve(shared, actor=carol, now=now + MINUTE, note="between us")

    def seen(user: User) -> dict[str, tuple[object, ...]]:
        page = failures.group_page(user, Wanted(tab=Tab.ALL), now=now).failures
        return {each.fingerprint: (each.times, each.message, each.looked_at, each.note) for each in page}

    assert seen(alice) == {shared: (1, "no sheet 'of alice'", 1, "")}
    assert seen(bob) == {shared: (2, "no sheet 'of bob'", 2, ""), other: (1, "something else", 1, "")}
    assert seen(carol)[shared] == (3, "no sheet 'of bob'", 3, "between us")
    hers = failures.group(alice, shared, now=now)
    assert ([each.owner for each in hers.latest], [each.message for each in hers.variants]) == (
        ["alice"],
        ["no sheet 'of alice'"],
    )
    assert (hers.status_by, failures.group(carol, shared, now=now).status_by) == (None, "carol")
    assert (failures.kinds(alice), failures.uncounted(alice, other)) == (["probe.nothing"], False)
    for stranger, wanted in ((alice, other), (AnonymousUser(), shared), (carol, "x"), (carol, "\0" * 16)):
        with pytest.raises(NotFound):
            failures.group(stranger, wanted, now=now)


def test_a_page_follows_another(now: datetime, carol: User) -> None:
    for place in range(5):
        for _ in range(place % 2 + 1):
            failed(now=now + place * SECOND, error="word " + "abcde"[place])
    rolled(now)
    for sort, order in ((Sort.LATEST, "edcba"), (Sort.FREQUENT, None)):
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = failures.group_page(carol, Wanted(sort=sort), now=now, cursor=cursor, limit=2)
            found, cursor = [*found, *(each.message[-1] for each in page.failures)], page.next_cursor
        assert sorted(found) == list("abcde")
        assert order is None or found == list(order)
    for bad in ("x", "1~y", "9~" + "a" * 16, "2026-01-01T00:00:00~" + "a" * 16, "\0"):
        with pytest.raises(InvalidRequest):
            failures.group_page(carol, now=now, cursor=bad)


def test_a_group_tells_what_was_seen(now: datetime, alice: User, carol: User) -> None:
    jobs = [failed(alice, now=now - place * HOUR, error="it broke") for place in (0, 0, 3)]
    rolled(now)
    control.rerun(jobs[0].id, actor=alice, now=now)
    shown = failures.group(alice, jobs[0].fingerprint, now=now)
    assert (shown.times, shown.jobs, shown.still_failed, shown.looked_at) == (3, 3, 2, 3)
    assert [each.times for each in shown.hours][-4:] == [1, 0, 0, 2]
    assert sum(each.times for each in shown.days) == 3
    assert (len(shown.hours), len(shown.days)) == (24, 14)
    assert [each.id for each in shown.latest] == sorted((each.id for each in jobs), reverse=True)
    assert [(each.message, each.times) for each in shown.variants] == [("it broke", 3)]
    assert shown.sample_job in {each.id for each in jobs[:2]}


def test_the_queries_of_a_list_do_not_grow(
    now: datetime, carol: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    carol = User.objects.get(pk=carol.pk)
    for place in range(12):
        failed(now=now, error="word " + "abcdefghijkl"[place])
    rolled(now)
    with django_assert_max_num_queries(7) as asked:  # the rules of kinds, where they were not asked a moment ago
        assert len(failures.group_page(carol, now=now).failures) == 12
    # PostgreSQL uses a partial index where it sees that its condition holds: a million jobs are not read for twelve.
    (standing,) = (each["sql"] for each in asked.captured_queries if "bounded" in each["sql"])
    assert standing.count("\"fingerprint\" = ''") == 2


def test_a_burst_is_what_is_far_above_its_usual_rate(now: datetime, alice: User, carol: User) -> None:
    minute = Step.MINUTE.floor(now)
    usual, fresh_one = (
        failed(alice, now=now - HOUR, error="usual").fingerprint,
        failed(now=now, error="new").fingerprint,
    )
    rolled(now)
    with writing():
        FailureCount.objects.all().delete()

    def counted(group: str, owner: int, recent: int, before: int) -> None:
        with writing():
            FailureCount.objects.filter(group=group, owner=owner).delete()
            FailureCount.objects.bulk_create([
                FailureCount(group_id=group, owner=owner, step=Step.MINUTE, at=minute - 2 * MINUTE, times=recent),
                FailureCount(group_id=group, owner=owner, step=Step.MINUTE, at=minute - 20 * MINUTE, times=500),
                FailureCount(
                    group_id=group, owner=owner, step=Step.HOUR, at=Step.HOUR.floor(now) - HOUR, times=before + recent
                ),
            ])  # fmt: skip

    counted(usual, EVERYBODY, recent=30, before=6 * 144)
    counted(fresh_one, EVERYBODY, recent=9, before=0)
    assert failures.bursts(carol, now) == [], "thirty are five times six, and nine are few"
    counted(usual, EVERYBODY, recent=31, before=6 * 144)
    counted(fresh_one, EVERYBODY, recent=10, before=0)
    found = failures.bursts(carol, now)
    assert [(each.fingerprint, each.times, each.usual) for each in found] == [(usual, 31, 6.0), (fresh_one, 10, 0.0)]
    assert failures.bursts(alice, now) == [], "none of hers is counted"
    failure_control.ignore(usual, actor=carol, now=now)
    assert [each.fingerprint for each in failures.bursts(carol, now)] == [fresh_one]


def test_groups_are_forgotten_when_their_jobs_are_gone_and_they_were_not_seen_for_long(
    now: datetime, alice: User, bob: User, carol: User
) -> None:
    old = now - 95 * DAY
    gone, kept = failed(alice, now=old, error="long gone"), failed(bob, now=old, error="still kept")
    shared = failed(alice, now=old, error="of alice and the system")
    seen_since = failed(now=old, error=shared.error)
    rolled(now)
    failure_control.resolve(gone.fingerprint, actor=carol, now=old)
    groups.prune(now=now, turns=Turns(100))
    assert FailureGroup.objects.count() == 3, "their jobs are there still"
    for job in (gone, shared):
        altered(job, fingerprint="")
    groups.prune(now=old + 89 * DAY, turns=Turns(100))
    assert FailureGroup.objects.count() == 3, "they were seen not so long ago"
    groups.prune(now=now, turns=Turns(100))
    assert set(FailureGroup.objects.values_list("pk", flat=True)) == {kept.fingerprint, seen_since.fingerprint}
    assert set(FailureSight.objects.values_list("group", "owner")) == {
        *((kept.fingerprint, owner) for owner in (bob.pk, EVERYBODY)),
        *((seen_since.fingerprint, owner) for owner in (0, EVERYBODY)),
    }
    assert not FailureCount.objects.exists(), "nothing looks back so far"
    failed(now=now, error="just now")
    rolled(now)
    assert groups.prune(now=now + HOUR - MINUTE, turns=Turns(100)) == 0
    assert FailureCount.objects.filter(owner=EVERYBODY).count() == len(Step)
    assert groups.prune(now=now + 2 * HOUR, turns=Turns(100)) == 2, "the minute, of the system and of everybody"
    assert pruning.run(now=now)["counts of failures"], "what is left of the old ones goes with their jobs"
