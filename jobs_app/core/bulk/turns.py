"""The turns of a bulk action: its handler takes one after the other until it is through.

A turn either judges the next page of jobs, in the order of their ids, and does what can be done for all of them by a
few statements; or it takes the first of those left over one by one. It ends with a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs_app.context import Cancelled
from jobs_app.core import control, families, queries, transitions
from jobs_app.core.bulk import judging
from jobs_app.core.bulk.judging import Verdict, judge
from jobs_app.core.bulk.orders import Action, Order
from jobs_app.core.bulk.tallies import Tally
from jobs_app.core.control import BROKEN, TIMED
from jobs_app.errors import Conflict, IdempotencyConflict, NotAllowed, NotFound, Refused, WeirError
from jobs_app.lifecycle import WAITING, EventName, State, Via
from jobs_app.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PAGE = 200
ONE_BY_ONE = 25
COUNTED = 1_000_000
"""Jobs are counted up to this, to say how far it is."""

TAGS = 10
TAG = "bulk-"
NOBODY = UUID(int=0)

Keep = Callable[[Any], None]
Note = Callable[[str], None]


@dataclass
class Sofar:
    """Where a bulk action got to. last: every job up to this id has been judged; left: those of them still to be
    acted on, one by one. through: the newest job when it began."""

    last: UUID
    through: UUID
    expected: int
    seen: int = 0
    left: list[UUID] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def kept(self) -> dict[str, Any]:
        """As a checkpoint."""
        ids = {"last": str(self.last), "through": str(self.through), "left": [str(each) for each in self.left]}
        return {**ids, "expected": self.expected, "seen": self.seen, "tally": self.tally.kept()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Sofar:
        """From a checkpoint."""
        return cls(
            UUID(kept["last"]), UUID(kept["through"]), kept["expected"], kept["seen"],
            [UUID(each) for each in kept["left"]], Tally.of(kept["tally"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """How a turn ended. kept: the checkpoint. wait: there was no room; to be gone on with after this time, and why.

    result: what the job returns; None until it is through.
    """

    kept: Any
    done: int
    of: int
    words: str
    wait: timedelta | None = None
    why: str = ""
    result: dict[str, Any] | None = None


def take(bulk_id: UUID, given: Mapping[str, Any], kept: Any, *, keep: Keep, note: Note, now: datetime) -> Turn:
    """Take one turn of the bulk action whose parameters are ``given``, from where ``kept`` says.

    keep: saves a checkpoint, in the transaction of what it tells of; it raises, if the job is to stop, or is another
    worker's by now. note: takes in words what has been done, also if no checkpoint can tell of it any more.
    Raises Cancelled as soon as somebody has asked it to stop (its heart learns that later), NotFound when the job is
    gone, and NotAllowed when who asked may not log in any more.
    """
    bulk = Job.objects.whole().select_related("owner").filter(id=bulk_id).first()
    if bulk is None:
        raise NotFound(f"expected a bulk action, got {bulk_id}")
    if bulk.cancel_requested_at is not None:
        raise Cancelled("cancelled on request")
    if bulk.owner is not None and not bulk.owner.is_active:
        raise NotAllowed("expected a user who may log in; whoever asked for this may not any more")
    errand = Errand(bulk, Order.of(given), now)
    sofar = Sofar.of(kept) if kept else errand.begin()
    if sofar.left:
        return errand.one_by_one(sofar, keep, note)
    page = errand.page(sofar)
    if not page:
        return errand.ended(sofar)
    errand.page_turn(sofar, page, keep)
    return errand.told(sofar)


def tag_of(bulk_id: UUID) -> str:
    """What the new jobs of a bulk action are found by."""
    return f"{TAG}{bulk_id.hex[-12:]}"


@dataclass(frozen=True)
class Errand:
    """One bulk action, at one time."""

    bulk: Job
    order: Order
    now: datetime

    @property
    def actor(self) -> User | None:
        """Who asked, with the permissions that they have now."""
        return self.bulk.owner

    def begin(self) -> Sofar:
        """Before the first turn: how far there is to go."""
        newest = Job.objects.order_by("-id").values_list("id", flat=True).first()
        expected = self._rows().values("id")[:COUNTED].count()
        return Sofar(NOBODY, newest or NOBODY, expected)

    def page(self, sofar: Sofar) -> list[Job]:
        """The next jobs, in order."""
        rows = self._rows().filter(id__gt=sofar.last, id__lte=sofar.through).order_by("id")
        return list(rows.only("id", *judging.COLUMNS[:-1], "attempt", "queue", "parent")[:PAGE])

    def page_turn(self, sofar: Sofar, page: list[Job], keep: Keep) -> None:
        """Judge a page, and do what can be done at once; what is not done by that is left over."""
        planned: dict[Verdict, list[Job]] = {}
        for job in page:
            judged = judge(self.order, _standing(job), now=self.now)
            if judged.verdict is None:
                sofar.tally.refuse(judged.reason, [job.id])
            else:
                planned.setdefault(judged.verdict, []).append(job)
        with queries.brief():
            # Its own row first: its heartbeat locks it together with others that this worker runs.
            queries.locked(Job.objects.filter(id=self.bulk.id)).first()
            for verdict, jobs in planned.items():
                done = self._at_once(verdict, jobs)
                sofar.tally.count(verdict, len(done))
                sofar.left += [job.id for job in jobs if job.id not in done]
            sofar.last = page[-1].id
            sofar.seen += len(page)
            keep(sofar.kept())

    def one_by_one(self, sofar: Sofar, keep: Keep, note: Note) -> Turn:
        """Act on the first of those left over. When there is no room for a new job, the rest has to wait."""
        taken = sofar.left[:ONE_BY_ONE]
        whole = Job.objects.actionable_by(self.actor).select_related("owner")
        rows = {job.id: job for job in whole.filter(id__in=taken)}
        wait, why = None, ""
        for job_id in taken:
            try:
                self._act(rows.get(job_id), job_id, sofar.tally)
            except Refused as refused:
                wait, why = timedelta(seconds=refused.retry_after), str(refused)
                break
            except WeirError as error:
                sofar.tally.refuse(_reason(error), [job_id])
            sofar.left.remove(job_id)
        turn = self.told(sofar, wait=wait, why=why)
        note(turn.words)
        keep(turn.kept)
        return turn

    def told(self, sofar: Sofar, **more: Any) -> Turn:
        """How it stands."""
        done, of = sofar.seen - len(sofar.left), max(sofar.expected, sofar.seen)
        of_words = f"{of:,}+" if sofar.expected >= COUNTED else f"{of:,}"
        return Turn(sofar.kept(), done, of, f"{done:,} of {of_words} jobs: {sofar.tally.words()}", **more)

    def ended(self, sofar: Sofar) -> Turn:
        """What came of it. Ids that were given and not found are somebody else's, or gone: they are told as one."""
        missing = len(self.order.ids) - sofar.seen
        if missing > 0:
            seen = set(self._rows().values_list("id", flat=True))
            sofar.tally.refuse("there is no such job, or it is not yours", [x for x in self.order.ids if x not in seen])
        return self.told(sofar, result=sofar.tally.result(self.order, tag_of(self.bulk.id)))

    def _rows(self) -> Any:
        return self.order.rows(self.actor, as_of=self.order.as_of or self.bulk.created_at)

    def _at_once(self, verdict: Verdict, jobs: list[Job]) -> set[UUID]:
        """Do it to all of these by a few statements; returns to which it was done."""
        said: dict[str, Any] = {"now": self.now, "actor": self.actor}
        reason = f"by bulk action {self.bulk.id}"
        rows = Job.objects.filter(id__in=[job.id for job in jobs])
        match verdict:
            case Verdict.CANCELLED:
                return self._cancel(jobs, reason)
            case Verdict.ASKED:
                running = rows.filter(state=State.RUNNING, cancel_requested_at=None)
                return set(transitions.amend_many(
                    running, event=EventName.CANCEL_REQUESTED, reason=reason, cancel_requested_at=self.now, **said
                ))  # fmt: skip
            case Verdict.MADE_DUE:
                early = rows.filter(state__in=sorted(TIMED), due_at__gt=self.now)
                return set(transitions.amend_many(
                    early, event=EventName.MADE_DUE, reason=reason, due_at=self.now, **said
                ))  # fmt: skip
            case Verdict.REPRIORITISED:
                others = rows.filter(state__in=sorted(WAITING)).exclude(priority=self.order.priority or 0)
                return set(transitions.amend_many(
                    others, event=EventName.REPRIORITISED, reason=f"to {self.order.priority} {reason}",
                    priority=self.order.priority, **said,
                ))  # fmt: skip
            case Verdict.AGAIN:
                return set()

    def _cancel(self, jobs: list[Job], reason: str) -> set[UUID]:
        done: set[UUID] = set()
        for state in sorted({job.status for job in jobs}):
            ids = [job.id for job in jobs if job.status is state]
            moved = transitions.move_many(
                ids, state, State.CANCELLED, now=self.now, event=EventName.CANCELLED, actor=self.actor, reason=reason,
                cancel_requested_at=self.now,
            )  # fmt: skip
            done |= {job.id for job in moved}
        families.ended_together(
            [job for job in jobs if job.id in done], State.CANCELLED, now=self.now, actor=self.actor
        )
        return done

    def _act(self, job: Job | None, job_id: UUID, tally: Tally) -> None:
        """Act on one, by the verb that people have for it. Done before by this very action, it counts all the same."""
        if job is None:
            raise NotFound("it is gone, or not yours any more")
        if self.order.action is Action.CANCEL:
            row = control.cancel(job_id, actor=self.actor, now=self.now)
            tally.count(Verdict.CANCELLED if row.status is State.CANCELLED else Verdict.ASKED)
        elif self.order.action is Action.REPRIORITISE:
            control.reprioritise(job_id, self.order.priority or 0, actor=self.actor, now=self.now)
            tally.count(Verdict.REPRIORITISED)
        elif self.order.action is Action.RETRY and job.status not in BROKEN:
            control.retry_now(job_id, actor=self.actor, now=self.now)
            tally.count(Verdict.MADE_DUE)
        else:
            self._again(job, tally)

    def _again(self, job: Job, tally: Tally) -> None:
        key, tag = f"bulk:{self.bulk.id.hex}:{job.id.hex}", tag_of(self.bulk.id)
        kept = [each for each in job.tags or () if not each.startswith(TAG)]
        accepted = control.again(
            job, actor=self.actor, now=self.now, via=Via(self.bulk.via), idempotency_key=key,
            tags=[*kept[: TAGS - 1], tag],
        )  # fmt: skip
        if accepted.job.idempotency_key != key:
            tally.refuse("there is one like it already, and its kind allows no second", [job.id])
            return
        tally.count(Verdict.AGAIN)
        tally.note_made(accepted.job.id)


def _reason(error: WeirError) -> str:
    """Why one could not be acted on, in words that do not name it, so that alike reasons are told as one."""
    if isinstance(error, (NotFound, NotAllowed, Conflict)):
        return str(error)
    return error.title if isinstance(error, IdempotencyConflict) else f"{error.title}: {error}"


def _standing(job: Job) -> judging.Standing:
    return judging.standing(*(getattr(job, name) for name in judging.COLUMNS))
