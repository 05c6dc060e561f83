"""Who may submit what, and who sees parameters: by role, and by kind; roles are kept, and never taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import Group, Permission, User

from jobs_app.core import access, control, roles, submission
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.models import AuditEntry, Job, KindAccess, Role
from jobs_app.reads import jobs, kinds
from tests.support.ledger import submitted

KIND = "system.echo"


def again(user: User) -> User:
    """The user as the next request has them."""
    return User.objects.get(pk=user.pk)


def limited(*, submitters: list[Group] | None = None, readers: list[Group] | None = None, now: datetime) -> None:
    access.set_rule(KIND, submitters=submitters, readers=readers, actor=None, now=now)


@pytest.fixture
def team(db: None) -> Group:
    return Group.objects.create(name="team")


def test_who_is_in_no_role_submits_unless_roles_are_required(
    alice: User, team: Group, configured: Callable[..., None]
) -> None:
    alice.groups.add(team)
    submitted(KIND, {"text": "a"}, owner=alice)
    configured(roles_required=True)
    with pytest.raises(NotAllowed, match="submitters"):
        submitted(KIND, {"text": "a"}, owner=again(alice))
    alice.user_permissions.add(Permission.objects.get(codename="add_job"))
    submitted(KIND, {"text": "a"}, owner=again(alice))
    submitted(KIND, {"text": "a"}, owner=None)  # the system: schedules, upkeep


@pytest.mark.parametrize(("role", "submits"), [
    ("viewers", False), ("submitters", True), ("operators", True), ("administrators", True),
])  # fmt: skip
def test_a_role_submits_or_not(role: str, submits: bool, alice: User, now: datetime) -> None:
    roles.keep()
    assert roles.give(alice, role, actor=None, now=now)
    assert access.may_submit(again(alice), KIND) is submits


def test_a_kind_for_a_group_is_submitted_by_its_members_alone(
    alice: User, bob: User, team: Group, now: datetime
) -> None:
    bob.groups.add(team)
    limited(submitters=[team], now=now)
    submitted(KIND, {"text": "a"}, owner=again(bob))
    with pytest.raises(NotAllowed, match="expected a member of a group"):
        submitted(KIND, {"text": "a"}, owner=alice)
    entry = AuditEntry.objects.get(action="job.submit")
    assert (entry.actor, entry.subject) == ("alice", f"kind {KIND}")
    assert "expected a member" in entry.refused
    assert KIND not in {each.name for each in kinds.offered(alice)}
    assert KIND in {each.name for each in kinds.offered(again(bob))}
    team.delete()  # nobody is left: the kind is not open to all for that
    access.rules.forget()
    with pytest.raises(NotAllowed):
        submitted(KIND, {"text": "a"}, owner=again(bob))
    limited(now=now)
    submitted(KIND, {"text": "a"}, owner=again(alice))


def test_running_again_is_submitting(alice: User, team: Group, now: datetime) -> None:
    job = submitted(KIND, {"text": "a"}, owner=alice)
    limited(submitters=[team], now=now)
    with pytest.raises(NotAllowed):
        control.rerun(job.id, actor=again(alice), now=now)


def test_parameters_are_seen_by_owners_and_readers_alone(alice: User, carol: User, team: Group, now: datetime) -> None:
    job = submitted(KIND, {"text": "for few"}, owner=alice)
    limited(readers=[team], now=now)
    assert jobs.job(alice, job.id).parameters["text"] == "for few"
    hidden = jobs.job(again(carol), job.id)
    assert (hidden.parameters, "limited" in hidden.parameters_hidden) == ({}, True)
    assert "for few" not in jobs.job_page(again(carol)).jobs[0].model_dump_json()
    assert "for few" not in jobs.jobs([job.id])[job.id].for_anyone().model_dump_json()
    assert jobs.job(None, job.id).parameters_hidden == ""
    assert access.unreadable(again(carol)) == {KIND, "webhooks.deliver"}
    carol.groups.add(team)
    assert jobs.job(again(carol), job.id).parameters["text"] == "for few"
    assert access.unreadable(again(carol)) == frozenset()


def test_who_may_not_see_parameters_does_not_own_them_by_a_detour(
    alice: User, carol: User, team: Group, now: datetime
) -> None:
    job = submitted(KIND, {"text": "for few"}, owner=alice)
    limited(readers=[team], now=now)
    with pytest.raises(NotAllowed, match="may see the parameters"):
        control.rerun(job.id, actor=again(carol), now=now)
    assert Job.objects.count() == 1
    assert AuditEntry.objects.get(action="job.rerun").refused
    assert control.rerun(job.id, actor=again(alice), now=now)


def test_a_rule_is_an_administrators_to_make_and_is_in_the_audit(
    alice: User, carol: User, team: Group, now: datetime
) -> None:
    with pytest.raises(NotAllowed):
        access.set_rule(KIND, submitters=[], readers=None, actor=alice, now=now)
    with pytest.raises(NotFound):
        access.set_rule("no.such", submitters=[], readers=None, actor=None, now=now)
    carol.user_permissions.add(Permission.objects.get(codename="manage_access"))
    access.set_rule(KIND, submitters=[team], readers=[], actor=again(carol), now=now)
    refused, done = AuditEntry.objects.filter(action="kind.access").order_by("id")
    assert refused.refused
    assert done.before == {"may submit": "everybody", "see parameters": "everybody"}
    assert done.after == {"may submit": ["team"], "see parameters": []}
    assert KindAccess.objects.get().kind == KIND


@pytest.mark.usefixtures("unhurried")
def test_asking_costs_one_query_a_request(
    alice: User, team: Group, now: datetime, django_assert_num_queries: Callable[..., object]
) -> None:
    limited(submitters=[team], readers=[team], now=now)
    access.rules.all()
    with django_assert_num_queries(1):
        for _ in range(3):
            kinds.offered(alice)
            access.sees_parameters(alice, KIND, None)


def test_roles_are_kept_and_nothing_is_taken_back(db: None) -> None:
    assert roles.keep() == dict.fromkeys(roles.ROLES, True)
    viewers, extra = Group.objects.get(name="viewers"), Permission.objects.get(codename="add_job")
    viewers.permissions.add(extra)
    viewers.permissions.remove(Permission.objects.get(codename="view_queue"))
    before = set(viewers.permissions.values_list("codename", flat=True))
    assert roles.keep() == dict.fromkeys(roles.ROLES, False)
    assert set(viewers.permissions.values_list("codename", flat=True)) == before


def test_a_role_of_the_release_before_is_given_what_is_new_once(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    roles.keep()
    Role.objects.none()
    operators = Group.objects.get(name="operators")
    monkeypatch.setitem(roles.ROLES, "operators", roles.ROLES["operators"] | {"jobs_app.view_audit"})
    assert not roles.keep()["operators"]
    assert operators.permissions.filter(codename="view_audit").exists()
    operators.permissions.remove(Permission.objects.get(codename="view_audit"))
    roles.keep()
    assert not operators.permissions.filter(codename="view_audit").exists()


def test_roles_are_given_and_taken(alice: User, now: datetime) -> None:
    assert roles.give(alice, "operators", actor=None, now=now)
    assert not roles.give(alice, "operators", actor=None, now=now)
    assert again(alice).has_perm("jobs_app.act_on_all_jobs")
    assert roles.take(alice, "operators", actor=None, now=now)
    assert not again(alice).has_perm("jobs_app.act_on_all_jobs")
    with pytest.raises(InvalidRequest, match="expected a role"):
        roles.give(alice, "kings", actor=None, now=now)
    assert [each.after for each in AuditEntry.objects.order_by("id")] == [{"groups": ["operators"]}, {"groups": []}]


def test_submitting_asks_for_the_standing_of_the_owner(alice: User, team: Group, now: datetime) -> None:
    """Not of who holds the pen: each surface hands its own user in as the owner."""
    limited(submitters=[team], now=now)
    with pytest.raises(NotAllowed):
        submission.submit(KIND, {"text": "a"}, owner=alice)


def test_a_search_by_a_parameter_tells_nothing_of_what_is_hidden(
    alice: User, carol: User, team: Group, now: datetime
) -> None:
    job = submitted(KIND, {"text": "a"}, owner=alice)
    wanted = JobFilter(parameters=(("text", "a"),))

    def found(user: User) -> list[object]:
        return [each.id for each in jobs.job_page(again(user), wanted).jobs]

    assert found(alice) == found(carol) == [job.id]
    limited(readers=[team], now=now)
    assert (found(alice), found(carol)) == ([job.id], [])
    carol.groups.add(team)
    assert found(carol) == [job.id]
