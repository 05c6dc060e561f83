"""Submitting many jobs: batch by batch, each checked, admitted in one step and written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import IntegrityError

from jobs_app import registry
from jobs_app.core import access, admission, submission, traces
from jobs_app.core.batches import checking, writing
from jobs_app.core.batches.lines import Entrant, Line, Summary, Verdict
from jobs_app.core.batches.writing import Lot
from jobs_app.core.clock import database_now
from jobs_app.core.submission import Options
from jobs_app.errors import IdempotencyConflict, WeirError
from jobs_app.models import Job
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BATCH = 1000
"""Jobs of a batch at most."""

BATCH_BYTES = 4 << 20
"""A batch whose parameters come to so many bytes is written at once."""

KEY_LENGTH = submission.KEY_LENGTH - 10
"""Of the idempotency key of a whole bulk submission: that of a line is this one, ``#`` and the number of the line."""

TRIES = 5


def submit_many(
    kind: str, parameters: Iterable[Mapping[str, Any]], *, owner: User | None = None, **options: Any
) -> Summary:
    """Submit a job of a kind for each of ``parameters``, which may be a generator: a million need no more memory than
    a thousand. The options are those of ``submission.submit``, and the same for all.

    They are submitted in order, in batches of a thousand, and it stops at the first that is refused with what
    ``submission.submit`` raises for it: those before it are in, and ``error.accepted`` tells how many. With an
    ``idempotency_key`` the same call may be made again, and makes just those that are missing. Inside
    ``transaction.atomic()`` all of them commit, or vanish, with the caller's data.
    """
    given = Options(**options)
    alike = replace(given, idempotency_key=None, tags=tuple(given.tags))
    bulk = Bulk(owner=owner, key=given.idempotency_key, strict=True)
    accepted = replayed = 0
    for verdict in bulk.verdicts(Line(kind, each, alike) for each in parameters):
        if verdict.error is not None:
            verdict.error.accepted = accepted + replayed
            raise verdict.error
        accepted, replayed = accepted + (not verdict.replayed), replayed + verdict.replayed
    return Summary(accepted, replayed)


class Bulk:
    """One bulk submission.

    key: of the whole; each line has one of its own by it, unless it brings one. token: the id of the API token it comes
    with. strict: stop at the first line that is refused. clock: tells now, once a batch.
    """

    def __init__(
        self, *, owner: User | None, key: str | None = None, token: int | None = None, strict: bool = False,
        clock: Callable[[], datetime] = database_now,
    ) -> None:  # fmt: skip
        if key is not None:
            submission.check_key(key, most=KEY_LENGTH)
        self._owner, self._key, self._token, self._strict, self._clock = owner, key, token, strict, clock
        self._place = key or uuid4().hex
        """Under which it stands in the lines of those who were refused: in one place, however many its lines."""
        self._kinds: dict[str, Kind | WeirError] = {}

    def verdicts(self, lines: Iterable[Line | WeirError]) -> Iterator[Verdict]:
        """Submit lines, and tell of each what became of it, in order. A line that could not be read is its error.

        Raises the database's errors: batches that were told of are in, and none of the others.
        """
        batch: list[Entrant] = []
        size = 0
        for number, line in enumerate(lines, 1):
            batch.append(self._checked(number, line))
            size += batch[-1].size
            if len(batch) == BATCH or size >= BATCH_BYTES or (self._strict and batch[-1].error is not None):
                yield from self._settled(batch)
                batch, size = [], 0
        yield from self._settled(batch)

    def _checked(self, number: int, line: Line | WeirError) -> Entrant:
        if isinstance(line, WeirError):
            return Entrant(number, None, line)
        entrant = Entrant(number, line)
        try:
            kind = self._kind(line.kind)
            if line.key is not None:
                submission.check_key(line.key)
            entrant.kind = kind
            entrant.key = line.key if self._key is None or line.key is not None else f"{self._key}#{number}"
            entrant.slow = kind.preview is not None or kind.unique is not None
            if not entrant.slow:
                entrant.fit = checking.fit(kind, line.parameters, self._owner, line.size)
        except WeirError as error:
            entrant.error = error
        return entrant

    def _kind(self, name: str) -> Kind:
        """The kind, if this owner may submit it; both are asked once."""
        known = self._kinds.get(name)
        if known is None:
            try:
                known = registry.get(name)
                access.check_submit(self._owner, name, now=self._clock())
            except WeirError as error:
                known = error
            if len(self._kinds) < BATCH:
                self._kinds[name] = known
        if isinstance(known, WeirError):
            raise known
        return known

    def _settled(self, batch: list[Entrant]) -> Iterator[Verdict]:
        if not batch:
            return
        now = self._clock()
        with traces.made_many(len(batch)):
            self._check_rate(batch, now)
            lots = self._in_lots(self._wanted(batch), now)
            quick = [each for each in self._wanted(batch) if not each.slow]
            _pair(quick)
            self._find_earlier(quick)
            firsts = [each for each in quick if each.twin is None]
            while wanted := self._still(firsts, batch):
                self._enter_and_write(lots, wanted, batch, now)
            for each in self._wanted(batch):
                if each.slow:
                    self._submit_alone(each, now)
        for each in batch:
            verdict = each.verdict()
            yield verdict
            if self._strict and verdict.error is not None:
                return

    def _wanted(self, batch: Sequence[Entrant]) -> list[Entrant]:
        """Those that are to be made as things stand; of a strict one, up to the first that was refused."""
        if self._strict:
            batch = batch[: next((place for place, each in enumerate(batch) if each.error is not None), None)]
        return [each for each in batch if each.error is None and each.job_id is None]

    def _check_rate(self, batch: Sequence[Entrant], now: datetime) -> None:
        wanted = self._wanted(batch)
        if self._token is None or not wanted:
            return
        queue = next(each.kind.queue for each in wanted if each.kind is not None)
        try:
            admission.check_rate(self._token, queue, self._owner, key=self._place, jobs=len(wanted), now=now)
        except WeirError as error:
            _refuse(wanted, error)

    def _in_lots(self, wanted: Sequence[Entrant], now: datetime) -> dict[int, Lot]:
        """The lot of each line, by the line's number."""
        known: dict[tuple[str, Options], Lot | WeirError] = {}
        found: dict[int, Lot] = {}
        for each in wanted:
            assert each.line is not None and each.kind is not None  # noqa: PT018
            what = (each.kind.name, each.line.options)
            lot = known.get(what)
            if lot is None:
                try:
                    lot = writing.lot_of(each.kind, each.line.options, self._owner, now)
                except WeirError as error:
                    lot = error
                known[what] = lot
            if isinstance(lot, WeirError):
                each.error = lot
            else:
                found[each.number] = lot
        return found

    def _find_earlier(self, wanted: Sequence[Entrant]) -> bool:
        """Give lines the jobs that their keys made before. Returns whether there were any."""
        keys = {each.key: each for each in wanted if each.key is not None and each.twin is None}
        if not keys:
            return False
        rows = Job.objects.filter(owner=self._owner, idempotency_key__in=list(keys))
        found = list(rows.values_list("idempotency_key", "id", "request_digest"))
        for key, job_id, digest in found:
            each = keys[str(key)]
            assert each.fit is not None
            if each.fit.digest == digest:
                each.job_id, each.replayed = job_id, True
            else:
                each.error = submission.key_conflict(job_id)
        return bool(found)

    def _enter_and_write(
        self, lots: Mapping[int, Lot], wanted: list[Entrant], batch: Sequence[Entrant], now: datetime
    ) -> None:
        """Let in as many as can be had in one step, and write them; the others are to ask again, unless refused."""
        entries: list[admission.Entry] = []
        try:
            inside = self._enter(lots, wanted, entries, now)
            for _ in range(TRIES):
                filled: dict[int, Lot] = {}
                for each in inside:
                    lot = lots[each.number]
                    if id(lot) not in filled:
                        filled[id(lot)], lot.members = lot, []
                    lot.members.append(each)
                try:
                    writing.write(filled.values(), entries, now=now, owner=self._owner)
                    return
                except IntegrityError:
                    # Another request with some of these keys was first by a moment: its jobs are ours too.
                    for each in inside:
                        each.job_id = None
                    if not self._find_earlier(inside):
                        raise
                    inside = self._still(inside, batch)
            raise RuntimeError("the idempotency keys of a batch kept being taken")
        except BaseException:
            writing.leave(entries, now=now)
            raise

    def _still(self, quick: Sequence[Entrant], batch: Sequence[Entrant]) -> list[Entrant]:
        """Those that are to be written as things stand."""
        last = batch[-1].number
        if self._strict:
            last = next((each.number - 1 for each in batch if each.error is not None), last)
        return [each for each in quick if each.error is None and each.job_id is None and each.number <= last]

    def _enter(
        self, lots: Mapping[int, Lot], wanted: Sequence[Entrant], entries: list[admission.Entry], now: datetime
    ) -> list[Entrant]:
        """Ask for room, once for all that go to one queue alike. Returns those for which there was some; if there is
        none, all of them are refused."""
        groups: dict[admission.Applicant, list[Entrant]] = {}
        for each in wanted:
            assert each.line is not None
            lot, options = lots[each.number], each.line.options
            applicant = admission.Applicant(
                lot.like.queue, self._owner, token=self._token, overflow=options.overflow, later=lot.later,
                key=self._place, headroom=options.headroom,
            )  # fmt: skip
            groups.setdefault(applicant, []).append(each)
        inside: list[Entrant] = []
        for applicant, members in groups.items():
            try:
                entries.append(admission.enter(applicant, now=now, wanted=len(members)))
                inside += members[: entries[-1].count]
            except WeirError as error:
                _refuse(members, error)
        return inside

    def _submit_alone(self, each: Entrant, now: datetime) -> None:
        assert each.line is not None
        options = replace(each.line.options, idempotency_key=each.key, token=self._token, rated=False)
        try:
            accepted = submission.accept(
                each.line.kind, each.line.parameters, owner=self._owner, options=options, now=now
            )
            each.job_id, each.replayed = accepted.job.id, accepted.replayed
        except WeirError as error:
            each.error = error


def _refuse(entrants: Iterable[Entrant], error: WeirError) -> None:
    for each in entrants:
        each.error = error


def _pair(quick: Iterable[Entrant]) -> None:
    """Of the lines of a batch that have the same key, the first makes the job."""
    first: dict[str, Entrant] = {}
    for each in quick:
        if each.key is None:
            continue
        other = first.setdefault(each.key, each)
        if other is each:
            continue
        assert each.fit is not None and other.fit is not None  # noqa: PT018
        if each.fit.digest == other.fit.digest:
            each.twin = other
        else:
            each.error = IdempotencyConflict(
                f"expected a new idempotency key for a new request: line {other.number} has this one, "
                "with another kind or other parameters"
            )
