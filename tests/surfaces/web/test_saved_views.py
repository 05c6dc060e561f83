"""Saved views: kept under a name, listed beside the jobs, shared by operators, changed by their owner alone."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs_app.core import clock
from jobs_app.core import saved_views as core
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed
from jobs_app.models import AuditEntry, SavedView
from tests.support.ledger import submitted
from tests.surfaces.web.conftest import logged_in


def names(client: Client) -> list[str]:
    return [view.name for view, _ in client.get("/jobs/").context["views"]]


def test_a_view_is_saved_from_the_list_and_leads_back_to_it(alices: Client, alice: User) -> None:
    job = submitted("system.echo", {"text": "a"}, owner=alice)
    submitted(owner=alice)
    form = {"name": " Echoes ", "q": "kind:system.echo  state:active", "columns": ["queue", "tags"]}
    answer = alices.post(reverse("view-save"), form, follow=True)
    assert "Saved as “Echoes”" in answer.content.decode()
    ((view, address),) = alices.get("/jobs/").context["views"]
    assert (view.name, view.text, view.columns, view.own) == (
        "Echoes", "state:active kind:system.echo", ["queue", "tags"], True,
    )  # fmt: skip
    page = alices.get("/jobs/" + address.query)
    assert [each.id for each in page.context["jobs"]] == [job.id]
    assert [each.name for each in page.context["columns"]] == ["queue", "tags"]
    assert 'aria-current="true" title="state:active kind:system.echo"' in page.content.decode()


def test_a_view_of_the_same_name_takes_the_place_of_the_first(alice: User) -> None:
    core.save(alice, "Mine", "state:failed", now=clock.database_now())
    core.save(alice, "mine", "state:queued", now=clock.database_now())
    assert SavedView.objects.get().text == "state:queued"


def test_views_are_renamed_and_deleted_by_their_owner_alone(alices: Client, alice: User, carol: User) -> None:
    row = core.save(alice, "One", "", now=clock.database_now())
    core.save(alice, "Two", "", now=clock.database_now())
    rename, delete = reverse("view-rename", args=[row.pk]), reverse("view-delete", args=[row.pk])
    operator = logged_in(carol)
    assert operator.post(rename, {"name": "Hers"}).status_code == operator.post(delete).status_code == 404
    alices.post(rename, {"name": "First"})
    assert names(alices) == ["First", "Two"]
    page = alices.post(rename, {"name": "TWO"}, follow=True).content.decode()
    assert "expected a name that no other view of yours has" in page
    alices.post(delete)
    assert names(alices) == ["Two"]


def test_a_view_is_shared_by_those_who_may_see_all_jobs(alices: Client, alice: User, carol: User) -> None:
    core.save(carol, "Failures", "state:failed", shared=True, now=clock.database_now())
    core.save(carol, "Private", "", now=clock.database_now())
    assert names(alices) == ["Failures"]
    page = alices.get(reverse("views")).content.decode()
    assert "shared by carol" in page
    assert "Delete" not in page
    with pytest.raises(NotAllowed, match="expected somebody who may see the jobs of every user"):
        core.save(alice, "Mine", "", shared=True, now=clock.database_now())
    assert alices.post(reverse("view-save"), {"name": "x", "q": "", "shared": "on"}).status_code == 403
    assert not SavedView.objects.filter(owner=alice).exists()


def test_what_is_done_to_views_is_in_the_audit(alices: Client, alice: User, carol: User) -> None:
    for text in ("state:failed", "state:queued"):
        row = core.save(alice, "One", text, now=clock.database_now())
    logged_in(carol).post(reverse("view-delete", args=[row.pk]))
    alices.post(reverse("view-rename", args=[row.pk]), {"name": "First"})
    alices.post(reverse("view-delete", args=[row.pk]))
    told = {"name": "One", "columns": [], "shared": False}
    first, last = ({**told, "search": text} for text in ("state:failed", "state:queued"))
    entries = AuditEntry.objects.filter(action__startswith="view.").order_by("id")
    assert [(each.actor, each.action, each.before, each.after, bool(each.refused)) for each in entries] == [
        ("alice", "view.save", None, first, False),
        ("alice", "view.save", first, last, False),
        ("carol", "view.delete", None, None, True),
        ("alice", "view.rename", {"name": "One"}, {"name": "First"}, False),
        ("alice", "view.delete", {**last, "name": "First"}, None, False),
    ]


@pytest.mark.parametrize("name", ["", "  ", "a" * 61, "tab\tbed"])
def test_a_name_that_cannot_be_is_refused(alice: User, name: str) -> None:
    with pytest.raises(InvalidRequest, match="expected a name of 1 to 60 printable characters"):
        core.save(alice, name, "", now=clock.database_now())


def test_a_search_that_cannot_be_read_is_not_kept(alices: Client, alice: User) -> None:
    page = alices.post(reverse("view-save"), {"name": "x", "q": "colour:red"}, follow=True)
    assert "expected one of the qualifiers" in page.content.decode()
    assert not SavedView.objects.exists()


def test_a_user_has_so_many_views_and_no_more(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "EACH", 2)
    for name in ("One", "Two"):
        core.save(alice, name, "", now=clock.database_now())
    with pytest.raises(Conflict, match="expected at most 2 saved views"):
        core.save(alice, "Three", "", now=clock.database_now())
    core.save(alice, "two", "state:failed", now=clock.database_now())
    core.save(bob, "One", "", now=clock.database_now())


def test_views_go_with_their_owner(alice: User) -> None:
    core.save(alice, "One", "", now=clock.database_now())
    alice.delete()
    assert not SavedView.objects.exists()
