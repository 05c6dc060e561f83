"""Kinds for tests: one with each type that a parameter may have, and one for each way in which a handler may end.

Loaded by ``KIND_MODULES=tests.support.kinds_of_every_type``. ``probe.exits``, ``probe.killed`` and ``probe.hangs`` end
the process they run in: run them in a real worker only.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import sys
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import (
    Artifact,
    ArtifactLink,
    Backoff,
    Chart,
    Discard,
    JobContext,
    Retry,
    Secret,
    Series,
    Snooze,
    Table,
    job,
)

SOON = timedelta(milliseconds=20)
FAST = Backoff(max_attempts=3, base=SOON, maximum=SOON)


class Colour(Enum):
    """An enumeration of texts."""

    RED = "red"
    GREEN = "green"
    DARK_BLUE = "dark blue"


class Grade(IntEnum):
    """An enumeration of numbers."""

    LOW = 1
    HIGH = 2


class Place(BaseModel):
    """A model in a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latitude: Annotated[float, Field(ge=-90, le=90, description="Degrees north.")]
    longitude: Annotated[float, Field(ge=-180, le=180, description="Degrees east.")] = 0.0


class Address(BaseModel):
    """A model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: Annotated[str, Field(min_length=2, description="A town.")]
    street: str = "Main Street"
    verified: bool = False
    place: Place | None = None


HOME = Address(city="Oslo", street="Karl Johans gate")


class Login(BaseModel):
    """A model with a secret in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    password: Secret


@job("probe.everything")
def everything(
    text: Annotated[str, Field(min_length=1, max_length=40, description="A short text; 100 % of it is kept")],
    count: Annotated[int, Field(ge=1, le=100, description="How many.")],
    colour: Annotated[Colour, Field(description="One of three.")],
    *,
    word: Annotated[str, Field(pattern=r"^[a-z]+$")] = "plain",
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    price: Annotated[Decimal, Field(ge=0, max_digits=8, decimal_places=2)] = Decimal("9.99"),
    flag: bool = False,
    enabled: bool = True,
    maybe_flag: bool | None = None,
    day: date = date(2026, 1, 31),
    at_time: time = time(9, 30),
    moment: datetime = datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    wait: timedelta = timedelta(minutes=5),
    identity: UUID | None = None,
    grade: Grade = Grade.LOW,
    size: Literal["small", "large"] = "small",
    factor: Literal[1, 2, 4] = 1,
    optional: int | None = None,
    optional_with_default: str | None = "given",
    address: Address | None = None,
    home: Address = HOME,
    tags: Annotated[list[str], Field(default_factory=list, max_length=5, description="Words.")],
    numbers: Annotated[list[Annotated[int, Field(ge=0)]], Field(default_factory=list)],
    flags: Annotated[list[bool], Field(default_factory=list)],
    colours: Annotated[list[Colour], Field(default_factory=list)],
    addresses: Annotated[list[Address], Field(default_factory=list)],
    document: Artifact | None = None,
    documents: Annotated[list[Artifact], Field(default_factory=list)],
    secret: Secret | None = None,
    context: JobContext,
) -> dict[str, Any]:
    """Take one parameter of each type, and tell what arrived.

    The second paragraph of the description. Percent signs (100 %) and <tags> are shown as they are.
    """
    received = {name: value for name, value in locals().items() if name not in ("context", "secret")}
    for name, file in (("document", document), *((f"documents.{n}", each) for n, each in enumerate(documents))):
        if file is not None:
            with file.open() as content:
                received[name] = {"name": file.name, "size": len(content.read())}
    received["documents"] = len(documents)
    received["secret"] = None if secret is None else len(secret.get_secret_value())
    return received


@job("probe.files")
def takes_files(first: Artifact, others: list[Artifact]) -> list[dict[str, Any]]:
    """Take files, and tell their names, sizes and hashes."""
    return [{"name": each.name, "size": each.size, "sha256": each.sha256} for each in (first, *others)]


@job("probe.signs_in")
def signs_in(login: Login, spare: Annotated[list[Login], Field(default_factory=list)]) -> int:
    """Take secrets within models; tell how long the first one is."""
    return len(login.password.get_secret_value())


@job("probe.colliding")
def colliding(
    queue: str, user: str = "", priority: str = "", follow: bool = False, settings: str = "", parameters: str = "",
    flag: bool = False, no_flag: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Take parameters whose names a surface may use for itself."""
    return dict(locals())


@job("probe.nothing")
def nothing() -> None:
    """Take nothing and return nothing."""


@job("probe.alone", alone=True)
def alone() -> None:
    """Take nothing and return nothing, in a message of its own."""


@job("probe.fails")
def fails(reason: str = "it was told to fail") -> None:
    """Fail with an error, every time."""
    raise ValueError(reason)


@job("probe.raises", retry=FAST)
def raises(error: Literal["ValueError", "KeyError", "OSError", "SystemExit", "AssertionError"] = "ValueError") -> None:
    """Raise one of Python's errors on each of three attempts; ``SystemExit`` as ``sys.exit(3)`` would."""
    if error == "SystemExit":
        sys.exit(3)
    raise {"ValueError": ValueError, "KeyError": KeyError, "OSError": OSError, "AssertionError": AssertionError}[error](
        f"raised {error} on purpose"
    )


@job("probe.discards", retry=FAST)
def discards() -> None:
    """Fail for good at the first attempt, though more would be left."""
    raise Discard("it can never work")


@job("probe.flaky", retry=Backoff(max_attempts=10, base=SOON, maximum=SOON))
def flaky(succeeds_at: Annotated[int, Field(ge=1, le=10)] = 3, *, context: JobContext) -> int:
    """Fail until attempt ``succeeds_at``."""
    if context.attempt < succeeds_at:
        raise ConnectionError(f"attempt {context.attempt} fails, attempt {succeeds_at} will not")
    return context.attempt


@job("probe.retries", retry=FAST)
def retries(seconds: Annotated[float, Field(ge=0, le=3600)] = 0.05, *, context: JobContext) -> int:
    """Ask for a retry once, by a returned verdict."""
    if context.attempt == 1:
        return Retry(timedelta(seconds=seconds), "asked for one more attempt")  # type: ignore[return-value]
    return context.attempt


@job("probe.snoozes")
def snoozes(seconds: Annotated[float, Field(ge=0, le=3600)] = 0.05, *, context: JobContext) -> int:
    """Put the job off once; that uses up no attempt."""
    if context.attempt == 1:
        raise Snooze(timedelta(seconds=seconds), "not now")
    return context.attempt


@job("probe.slow", timeout=timedelta(minutes=5))
def slow(
    seconds: Annotated[float, Field(ge=0, le=300)] = 5.0,
    steps: Annotated[int, Field(ge=1, le=1000)] = 10,
    *,
    context: JobContext,
) -> float:
    """Work for a while with progress and a log line each step; stops when asked."""
    pause = threading.Event()
    for step in range(steps):
        context.check()
        context.progress(step, steps, f"step {step + 1} of {steps}")
        context.log(f"step {step + 1}")
        pause.wait(seconds / steps)
    return seconds


@job("probe.stubborn", timeout=timedelta(minutes=5))
def stubborn(seconds: Annotated[float, Field(ge=0, le=300)] = 60.0) -> None:
    """Wait without ever asking whether to stop; an interruption gets through."""
    threading.Event().wait(seconds)


@job("probe.overruns", timeout=timedelta(seconds=1), hard_timeout=timedelta(seconds=30))
def overruns() -> None:
    """Wait for ever; the timeout after 1 s gets through."""
    threading.Event().wait()


@job("probe.hangs", timeout=timedelta(seconds=1), hard_timeout=timedelta(seconds=2))
def hangs() -> None:
    """Never return, whatever is raised in it: only ending the process helps, after 2 s."""
    while True:
        try:
            threading.Event().wait(0.05)
        except BaseException:
            continue


@job("probe.exits")
def exits() -> None:
    """End the worker process with ``os._exit(3)``."""
    os._exit(3)


@job("probe.killed")
def killed() -> None:
    """End the worker process with SIGKILL, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@job("probe.memory")
def memory() -> None:
    """Run out of memory, as Python reports it."""
    raise MemoryError("no memory for this much data")


@job("probe.unserialisable")
def unserialisable() -> object:
    """Return what is not JSON."""
    return object()


@job("probe.large")
def large(size: Annotated[int, Field(ge=0, description="Bytes.")] = 1_000_000) -> str:
    """Return a text of so many bytes."""
    return "x" * size


@job("probe.secretive")
def secretive(token: Secret, *, context: JobContext) -> None:
    """Tell a secret in every way that a careless handler may: log, progress, error, traceback."""
    clear = token.get_secret_value()
    context.log(f"the token is {clear} ({token!r})")
    context.progress(1, 2, f"with {clear}")
    raise RuntimeError(f"the server refused {clear}")


@job("probe.leaky", retry=Backoff(max_attempts=1))
def leaky(token: Secret, end: Literal["returned", "raised"] = "returned", *, context: JobContext) -> dict[str, Any]:
    """Let a secret out by every way there is: also what it prints, its own log, file names, checkpoint, result."""
    clear = token.get_secret_value()
    context.log(f"the token is {clear} ({clear!r}, {json.dumps(clear)}, {quote(clear)})")
    context.progress(1, 2, f"with {clear}")
    context.save_artifact(f"{clear}.txt", b"nothing", content_type=f"text/{clear}")
    context.save_checkpoint({"at": [clear]})
    assert context.checkpoint == {"at": [clear]}
    print(f"printed {clear}", flush=True)
    print(f"printed {clear}", file=sys.stderr, flush=True)
    try:
        raise ValueError(clear)
    except ValueError as error:
        logging.getLogger("probe").exception("logged %s", clear)
        if end == "raised":
            raise type(f"Error{clear}", (RuntimeError,), {})(f"the server refused {clear}") from error
    return {clear: [clear, {"deep": f"x{clear}y"}], "number": 12}


@job("probe.logs")
def logs(
    lines: Annotated[int, Field(ge=0, le=50_000)] = 100,
    text: Annotated[str, Field(max_length=20_000)] = "line",
    *,
    context: JobContext,
) -> int:
    """Write log lines of every level."""
    for number in range(lines):
        context.log(f"{text} {number}", ("debug", "info", "warning", "error")[number % 4])  # type: ignore[arg-type]
    return lines


class Shapes(BaseModel):
    """Each thing that a result can draw."""

    table: Table
    chart: Chart
    file: ArtifactLink
    note: str


@job("probe.shapes")
def shapes(rows: Annotated[int, Field(ge=0, le=1000)] = 3, *, context: JobContext) -> Shapes:
    """Return a table, a chart and a link to a file."""
    context.save_artifact("rows.txt", "\n".join(map(str, range(rows))).encode(), "text/plain")
    return Shapes(
        table=Table(title="Squares", columns=["n", "n²"], rows=[[n, n * n] for n in range(rows)], total_rows=rows),
        chart=Chart(
            title="Squares drawn", labels=[str(n) for n in range(rows)],
            series=[Series(name="n²", values=[float(n * n) for n in range(rows)])],
        ),
        file=ArtifactLink(name="rows.txt"),
        note="three shapes",
    )  # fmt: skip


@job("probe.makes_files")
def makes_files(names: list[str], content: str = "content", fail: bool = False, *, context: JobContext) -> int:
    """Save a file under each name, each with its name and ``content`` in it; fail afterwards if told so."""
    for name in names:
        context.save_artifact(name, f"{name}: {content}".encode())
    if fail:
        raise RuntimeError("failed after its files were saved")
    return len(names)


@job("probe.atomic_writer", atomic=True, retry=FAST)
def atomic_writer(name: str, fail_until: int = 0, seconds: float = 0.0, *, context: JobContext) -> str:
    """Write a row (a group of users called ``name``), wait, and fail before attempt ``fail_until``."""
    from django.contrib.auth.models import Group

    Group.objects.create(name=name)
    threading.Event().wait(seconds)
    if context.attempt < fail_until:
        raise RuntimeError("failed after writing")
    return name


@job("probe.plain_writer", retry=FAST)
def plain_writer(name: str, fail_until: int = 0, *, context: JobContext) -> int:
    """Write a row on each attempt, not atomically: effects at least once."""
    from django.contrib.auth.models import Group

    Group.objects.create(name=f"{name} {context.attempt}")
    if context.attempt < fail_until:
        raise RuntimeError("failed after writing")
    return context.attempt


@job("probe.not_schedulable", schedulable=False)
def not_schedulable() -> None:
    """A kind that a schedule may not submit."""


@job("probe.number")
def number(value: float) -> float:
    """Take any number, and return it."""
    return value


@job("probe.deaf", timeout=timedelta(minutes=5))
def deaf(mark: Annotated[str, Field(description="A file that is made at the start.")] = "") -> None:
    """Never return and hear nothing, neither a question nor an interruption: only ending the process helps."""
    if mark:
        Path(mark).touch()
    while True:
        try:
            threading.Event().wait(0.05)
        except BaseException:
            continue


@job("probe.returns")
def returns(what: Literal["nul", "deep", "infinite", "surrogate", "secret", "bytes", "digits"]) -> Any:
    """Return what is hard to keep."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return {
        "nul": "a\0b", "deep": deep, "infinite": [float("inf"), float("nan")], "surrogate": "half \ud800",
        "secret": Secret("hunter2hunter2"), "bytes": b"\xff", "digits": 10**5000,
    }[what]  # fmt: skip


@job("probe.greedy", timeout=timedelta(minutes=1))
def greedy(megabytes: Annotated[int, Field(ge=1, le=100_000)] = 4096) -> int:
    """Take memory until the process's limit of 256 MB more than it has now refuses it."""
    import resource

    pages = int(open("/proc/self/statm").read().split()[0])  # noqa: PTH123, SIM115
    limit = pages * resource.getpagesize() + (256 << 20)
    earlier = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, earlier[1]))
    try:
        return len([bytearray(1 << 20) for _ in range(megabytes)])
    finally:
        resource.setrlimit(resource.RLIMIT_AS, earlier)


@job("probe.writes_too_much")
def writes_too_much(*, context: JobContext) -> None:
    """Save a file for which the disk has no room: the process may write 64 kB to a file, as on a full disk."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, earlier[1]))
    try:
        context.save_artifact("large.bin", b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)


@job("probe.slow_at_first", timeout=timedelta(minutes=5))
def slow_at_first(seconds: Annotated[float, Field(ge=0, le=300)] = 60.0, *, context: JobContext) -> int:
    """Wait in the first attempt, without asking whether to stop; return at once in later ones."""
    if context.attempt == 1:
        threading.Event().wait(seconds)
    return context.attempt


@job("probe.waits_in_the_database", timeout=timedelta(minutes=5))
def waits_in_the_database(seconds: Annotated[float, Field(ge=0, le=300)] = 60.0) -> None:
    """Spend the time in a query (on PostgreSQL; elsewhere in many short ones), so that an interruption meets it."""
    from django.db import connection

    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        while datetime.now(UTC) < ends:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_sleep(%s)", [seconds])
            else:
                cursor.execute("SELECT 1")


@job("probe.marks", timeout=timedelta(minutes=10))
def marks(
    file: str,
    seconds: Annotated[float, Field(ge=0, le=600)] = 0.0,
    release: Annotated[str, Field(description="In the first attempt, wait until this file is there.")] = "",
    *,
    context: JobContext,
) -> int:
    """Append a line to ``file`` at the start and at the end, so that others can count what really ran."""
    Path(file).touch()
    pause = threading.Event()

    def mark(what: str) -> None:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{what} {context.job_id} {context.attempt} {os.getpid()}\n".encode())
        os.close(descriptor)

    mark("start")
    pause.wait(seconds)
    while release and context.attempt == 1 and not Path(release).exists():
        pause.wait(0.05)
    mark("end")
    return context.attempt


@job("probe.crashes")
def crashes() -> None:
    """End the worker process as a fault in a C library does, with SIGSEGV."""
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)


@job("probe.spins", timeout=timedelta(seconds=1), hard_timeout=timedelta(seconds=3))
def spins() -> None:
    """Compute for ever, without a pause in which a signal would be waited for."""
    while True:
        pass


@job("probe.computes_in_c", timeout=timedelta(seconds=1), hard_timeout=timedelta(seconds=3))
def computes_in_c() -> int:
    """Compute for hours within one call into C: no other thread of Python gets a turn, and no signal handler."""
    return sum(itertools.repeat(0, 10**13))
