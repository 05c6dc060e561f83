"""A kind whose parameters are for few: who sees its jobs, and not those, is told by no route what may repeat them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from functools import partial
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from jobs_app.api import readings, tickets
from jobs_app.api.watching import Watcher
from jobs_app.core import access, artifacts, outcomes
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.errors import InvalidParameters
from jobs_app.models import Delivery, Job
from jobs_app.policies import NO_RETRY
from tests.support import reports
from tests.support import world as worlds
from tests.support.failing import rolled
from tests.support.ledger import altered, claimed, fresh, log, submitted
from tests.surfaces import standing
from tests.surfaces.api.support import client_of
from tests.surfaces.asking import PAGES, addresses_of_admin, answers, bodies, client, text_of, undone, values

pytestmark = [pytest.mark.django_db, pytest.mark.once]
CANARY = "canary-Vai7chu"
KINDS = ("system.echo", "probe.files")
TELLING = {
    "page job", "page job-log", "page job-change", "page failures", "page failure", "page report", "page schedule",
    "GET /api/jobs", "GET /api/jobs/{job_id}", "GET /api/jobs/{job_id}/attempts", "GET /api/jobs/{job_id}/logs",
    "GET /api/jobs/{job_id}/result", "GET /api/jobs/{job_id}/artifacts", "GET /api/artifacts/{artifact_id}/content",
    "GET /api/jobs/{job_id}/artifacts/{name}", "GET /api/failures", "GET /api/failures/{fingerprint}",
    "GET /api/reports/{schedule}", "GET /api/reports/{schedule}/result", "GET /api/schedules/{schedule}",
    "GET /api/reports/{schedule}/artifacts/{name}",
    "admin job", "admin attempt", "admin artifact", "admin failuregroup",
}  # fmt: skip
"""Routes that tell of it to those who may know: else a test that finds nothing would show nothing."""


@pytest.fixture
def world(alice: User, carol: User, now: datetime) -> dict[str, Any]:
    """Jobs of alice's with the canary in all that a kind and its handler write. carol has every permission."""
    everything = Permission.objects.filter(content_type__app_label="jobs_app")
    carol.user_permissions.add(*everything)
    reports.operator(carol)
    hook, _ = endpoints.make(again(carol), Wanted("all", "https://example.org/hook", everybody=True), now=now)
    made = worlds.made(alice, "plain", now=now)
    upload = artifacts.take_upload(f"{CANARY}.csv", [CANARY.encode()], owner=alice, now=now)
    done = claimed(submitted("probe.files", {"first": str(upload.id), "others": []}, owner=alice, now=now), now=now)
    log(done, CANARY)
    file = artifacts.save_output(done, 1, f"{CANARY}.txt", CANARY.encode(), now=now)
    outcomes.succeed(done, {"said": CANARY}, 20, now=now)
    failed = claimed(submitted("system.echo", {"text": CANARY}, owner=alice, now=now), now=now)
    log(failed, CANARY)
    failure = outcomes.Failure(CANARY, error_type="ValueError", traceback=f"ValueError: {CANARY}")
    outcomes.fail(failed, failure, ValueError(CANARY), NO_RETRY, now=now)
    altered(failed, progress_message=CANARY)
    running = claimed(submitted("system.echo", {"text": CANARY}, owner=alice, now=now), now=now)
    log(running, CANARY)
    altered(running, progress=0.5, progress_message=CANARY, preview={"said": CANARY})
    schedule = reports.scheduled("nightly", parameters={"text": CANARY}, now=now)
    reports.altered(schedule, broken=f"expected something else than {CANARY}")
    tick = reports.ticked(schedule, now, {"said": CANARY})
    artifacts.save_output(Job.objects.get(id=tick.job_id), 1, f"{CANARY}.txt", CANARY.encode(), now=now)
    return {
        **made, "jobs": [done.id, failed.id, running.id], "fingerprint": fresh(failed).fingerprint,
        "artifact": f"{CANARY}.txt", "files": [upload.id, file.id], "schedule": schedule.pk,
        "schedule_id": schedule.pk, "hook": hook.pk,
    }  # fmt: skip


def again(user: User) -> User:
    """The user as the next request has them."""
    return User.objects.get(pk=user.pk)


def told(user: User, world: dict[str, Any], among: Collection[str] = ()) -> set[str]:
    """The routes that answer this user with the canary; ``among`` some, or all."""
    program, browser, found = client_of(user), client(user), set()
    for place, about in places(world):
        for name, ask in everything(program, browser, place, about):
            if name in found or (among and name not in among):
                continue
            for answer in ask():
                said = text_of(answer).replace(f"got {CANARY}", "").replace(f"got '{CANARY}", "")
                assert answer.status_code < 500, name
                if CANARY in said or CANARY in str(answer.headers):
                    found.add(name)
    return found


def places(world: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The values of parameters: first for all routes, then, for those about it, another job, file or webhook."""
    first, *others = world["jobs"]
    yield {**world, "job_id": first}, ""
    for job in others:
        yield {**world, "job_id": job}, "job_id"
    for file in world["files"]:
        yield {**world, "job_id": first, "artifact_id": file}, "artifact_id"
    yield {**world, "job_id": first, "webhook_id": world["hook"]}, "webhook_id"


Ask = Callable[[], Iterable[Any]]


def everything(program: Client, browser: Client, world: dict[str, Any], about: str) -> Iterator[tuple[str, Ask]]:
    """Every page, operation and screen of the admin, or those that have this parameter; and how to ask it."""
    for route in PAGES:
        if not about or about in route.names:
            address = reverse(route.name, kwargs=values(world, route.address, route.names))
            yield f"page {route.name}", partial(_pages, browser, address)
    for operation in standing.operations():
        if not about or f"{{{about}}}" in operation:
            yield operation, partial(_operation, program, operation, world)
    for key in Job.objects.get(id=world["job_id"]).attempts.values_list("pk", flat=True):
        yield "admin attempt", partial(_pages, browser, f"/admin/jobs_app/attempt/{key}/change/")
    for _, address in addresses_of_admin(world):
        if not about or f"/{world.get(about)}/" in address:
            yield f"admin {'/'.join(address.split('/')[3:4])}", partial(_pages, browser, address)


def _pages(browser: Client, address: str) -> Iterable[Any]:
    return answers(browser, address).values()


def _operation(program: Client, operation: str, world: dict[str, Any]) -> Iterable[Any]:
    method, path = operation.split(" ")
    for name, value in values(world, path, tuple(re.findall(r"{(\w+)}", path))).items():
        path = path.replace(f"{{{name}}}", str(value))
    with undone():
        query = standing.QUERIES.get(operation, "")
        return [program.generic(method, path + query, *bodies(operation, world))]


def test_who_may_not_see_the_parameters_is_told_by_no_route_what_may_repeat_them(
    world: dict[str, Any], carol: User, now: datetime
) -> None:
    """And who may, is told by those that are there for it."""
    team = Group.objects.create(name="team")
    for kind in KINDS:
        access.set_rule(kind, submitters=None, readers=[team], actor=None, now=now)
    rolled(now)
    sending.send(now=now)
    telling = told(again(carol), world)
    assert not telling, "\n".join(sorted(telling))
    carol.groups.add(team)
    assert TELLING - told(again(carol), world, among=TELLING) == set()


def test_an_endpoint_is_told_the_error_if_its_owner_may_know_it(world: dict[str, Any], now: datetime) -> None:
    rolled(now)
    (row,) = Delivery.objects.filter(endpoint=world["hook"], job=world["jobs"][1])
    assert row.data["error"] == CANARY


def test_what_is_delivered_is_shown_to_those_who_may_read_every_kind(
    world: dict[str, Any], carol: User, now: datetime
) -> None:
    rolled(now)
    sending.send(now=now)
    sender = Delivery.objects.get(endpoint=world["hook"], job=world["jobs"][1]).sender
    address = f"/api/jobs/{sender}"
    assert CANARY in text_of(client_of(again(carol)).get(address))
    access.set_rule("system.sleep", submitters=None, readers=[], actor=None, now=now)
    assert CANARY not in text_of(client_of(again(carol)).get(address))


def test_a_file_that_may_not_be_read_is_not_taken_by_a_detour(
    world: dict[str, Any], carol: User, now: datetime
) -> None:
    for file in world["files"]:
        submitted("probe.files", {"first": str(file), "others": []}, owner=again(carol), now=now)
    access.set_rule("probe.files", submitters=None, readers=[], actor=None, now=now)
    for file in world["files"]:
        with pytest.raises(InvalidParameters):
            submitted("probe.files", {"first": str(file), "others": []}, owner=again(carol), now=now)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_commands_tell_no_more(
    which: int, world: dict[str, Any], carol: User, now: datetime, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    def said() -> str:
        job, out = str(world["jobs"][which]), StringIO()
        for words in (
            ["show", job], ["show", job, "--json"], ["list"], ["follow", job, "--timeout", "0"], ["failures"],
            ["failure", world["fingerprint"]], ["fetch", job, "--output", str(tmp_path / "files"), "--force"],
            ["schedule", "nightly"], ["schedules"],
        ):  # fmt: skip
            try:
                call_command("jobs", *words, "--user", "carol", stdout=out)
            except (CommandError, SystemExit) as error:
                out.write(str(error))
        files = "".join(each.read_text() for each in tmp_path.rglob("*") if each.is_file())
        return "".join((out.getvalue(), *capsys.readouterr(), files))

    rolled(now)
    assert CANARY in said()
    for file in tmp_path.rglob("*.*"):
        file.unlink()
    for kind in KINDS:
        access.set_rule(kind, submitters=None, readers=[], actor=None, now=now)
    assert CANARY not in said()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_live_stream_leaves_it_out_for_those_whose_ticket_does_not_say_that_they_may(
    which: int, world: dict[str, Any], alice: User, carol: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "close_old_connections", lambda: None)  # the test's transaction is in it
    job = world["jobs"][which]
    assert CANARY in followed(job, client_of(again(carol)))
    for kind in KINDS:
        access.set_rule(kind, submitters=None, readers=[], actor=None, now=now)
    assert CANARY in followed(job, client_of(alice))
    streamed = followed(job, client_of(again(carol)))
    assert CANARY not in streamed
    assert str(job) in streamed


def followed(job: UUID, program: Client) -> str:
    """What the stream sends first to somebody who asks for its address."""
    address = program.get(f"/api/jobs/{job}/events").headers["Location"]
    whole = tickets.check(re.search(r"ticket=([^&]+)", address)[1], job)  # type: ignore[index]
    reading = readings.read({job: 0}, {})

    async def watched() -> Watcher:
        return Watcher(job, 0, sees=whole)

    watcher = asyncio.run(watched())
    watcher.give(reading.jobs[job], reading.lines[job], whole=True)
    return watcher.take().decode()
