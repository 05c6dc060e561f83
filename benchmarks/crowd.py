"""A ledger as a team has it after a month: many owners and kinds of different weight, every state, terms, failures with
fingerprints, attempts and events. Made by PostgreSQL itself, in ``--jobs`` rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model

from jobs_app.core import submission
from jobs_app.criteria import parameter_term, tag_term
from jobs_app.models import Attempt, Event, Job, Term
from jobs_app.models.guard import writing

CHUNK = 100_000
OWNERS = 40
DAYS = 30
KINDS = ("system.echo", "datasets.aggregate", "images.resize", "webhooks.deliver", "system.sleep", "datasets.profile")
QUEUES = ("default", "slow")
MEASURES = ("delay", "distance", "fare", "weight", "height")
RARE = "probe.nothing"
"""A kind, a tag and a value of a parameter that a few jobs of long ago have: nothing near the top of a list."""

OPEN = 0.005
"""The part of the jobs that have not ended."""


def make(count: int, *, owner: User, now: datetime) -> None:
    """Make so many jobs of the month before ``now``. ``owner`` has a third of them, 40 others the rest."""
    others = [User.objects.create_user(f"owner{number}") for number in range(OWNERS)]
    template = submission.submit("system.echo", {"text": "a text of some words"}, owner=owner, message=False)
    maker = _Maker(count, template, owner.pk, others[0].pk, now)
    for first in range(1, count + 1, CHUNK):
        with transaction.atomic():
            maker.make(first, min(first + CHUNK - 1, count))
    with writing():
        Event.objects.filter(job=template).delete()
        Term.objects.filter(job=template).delete()
        Job.objects.filter(id=template.id).delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


class _Maker:
    """Job n of ``count`` is the newer the larger n is."""

    def __init__(self, count: int, template: Job, owner: int, first_other: int, now: datetime) -> None:
        self._count, self._template = count, template
        second = f"('{now.isoformat()}'::timestamptz - make_interval(secs => {DAYS * 86400.0 / count} * ({count} - n)))"
        self._created = second
        self._id = (
            f"(lpad(to_hex((extract(epoch from {second}) * 1000)::bigint), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid"
        )
        self._open = f"n > {count} * {1 - OPEN}"
        self._old = f"(n < {count} * 0.02 AND n % 100 = 0)"
        self._owner = f"CASE WHEN n % 3 = 0 THEN {owner} ELSE {first_other} + (n * 7919) % {OWNERS} END"
        kinds = " ".join(
            f"WHEN n % 64 < {64 >> place} THEN '{kind}'" for place, kind in reversed(list(enumerate(KINDS)))
        )
        self._kind = f"CASE WHEN {self._old} THEN '{RARE}' {kinds} END"
        self._state = (
            f"CASE WHEN {self._open} THEN CASE WHEN n % 100 = 0 THEN 'running' WHEN n % 100 < 5 THEN 'retrying' "
            "WHEN n % 100 < 20 THEN 'scheduled' ELSE 'queued' END "
            "WHEN n % 31 = 0 THEN 'failed' WHEN n % 101 = 0 THEN 'cancelled' ELSE 'succeeded' END"
        )

    def make(self, first: int, last: int) -> None:
        """Jobs ``first`` to ``last``, and what is theirs."""
        series = f"generate_series({first}::bigint, {last}) AS series(n)"
        run = f"{self._created} + interval '3 seconds'"
        failed = f"NOT ({self._open}) AND n % 31 = 0"
        later, hours = f"{self._open} AND n % 100 BETWEEN 1 AND 19", "now() + interval '9 hours'"
        began = f"NOT ({self._open}) OR n % 100 < 5"
        self._insert(Job, series, {
            "id": self._id, "kind": self._kind, "state": self._state, "owner_id": self._owner,
            "queue": f"CASE WHEN n % 20 = 0 THEN '{QUEUES[1]}' ELSE '{QUEUES[0]}' END",
            "attempt": f"CASE WHEN {began} THEN 1 ELSE 0 END", "created_at": self._created,
            "due_at": f"CASE WHEN {later} THEN {hours} ELSE {self._created} END",
            "started_at": f"CASE WHEN {began} THEN {run} END",
            "finished_at": f"CASE WHEN {self._open} THEN NULL ELSE {run} + interval '40 seconds' END",
            "lease_until": f"CASE WHEN {self._open} AND n % 100 = 0 THEN {hours} END",
            "error": f"CASE WHEN {failed} THEN 'The source could not be read: row ' || n ELSE '' END",
            "error_type": f"CASE WHEN {failed} THEN 'ValueError' ELSE '' END",
            "fingerprint": f"CASE WHEN {failed} THEN 'print' || (n % 20) ELSE '' END",
            "tags": "CASE WHEN n % 10 = 0 THEN '[\"nightly\"]'::jsonb END",
        }, f"jobs_app_job AS template WHERE template.id = '{self._template.id}'")  # fmt: skip
        self._terms(series)
        begun = f"{series} WHERE {began}"
        self._insert(Attempt, begun, {
            "job_id": self._id, "number": "1", "holder": "'worker@host/1'", "started_at": run, "error": "''",
            "finished_at": f"CASE WHEN {self._open} AND n % 100 = 0 THEN NULL ELSE {run} END", "error_type": "''",
            "outcome": f"CASE WHEN {self._open} AND n % 100 = 0 THEN 'running' ELSE 'failed' END", "traceback": "''",
        })  # fmt: skip
        for name, source, target, where in (
            ("submitted", "", "queued", "true"), ("claimed", "queued", "running", began),
            ("succeeded", "running", "succeeded", f"NOT ({self._open})"),
        ):  # fmt: skip
            self._insert(Event, f"{series} WHERE {where}", {
                "job_id": self._id, "attempt": "1", "at": run, "name": f"'{name}'", "source": f"'{source}'",
                "target": f"'{target}'", "actor_id": "NULL", "reason": "''",
            })  # fmt: skip

    def _terms(self, series: str) -> None:
        measures = " ".join(
            f"WHEN {place} THEN {parameter_term('measure', each)}" for place, each in enumerate(MEASURES)
        )
        for term, where in (
            (f"CASE (n * 31) % {len(MEASURES)} {measures} END", "true"),
            ("hashtextextended(n::text, 7)", "true"),
            (f"{tag_term('nightly')}", "n % 10 = 0"),
            (f"{tag_term(RARE)}", self._old),
            (f"{parameter_term('rare', 'yes')}", self._old),
        ):
            self._insert(Term, f"{series} WHERE {where}", {"job_id": self._id, "term": term})

    def _insert(self, model: type[Model], series: str, values: Mapping[str, str], template: str = "") -> None:
        columns = [field.column for field in model._meta.concrete_fields if field.column in values or template]
        given = [values.get(column, f'template."{column}"') for column in columns]
        names = ", ".join(f'"{column}"' for column in columns)
        source = f"{series}, {template}" if template else series
        with connection.cursor() as cursor:
            cursor.execute(f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {", ".join(given)} FROM {source}')  # noqa: S608
