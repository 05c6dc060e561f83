"""Who takes part: how each peer is run, with which of its documented fast settings, and what it does not promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SLOTS = 2
"""Worker processes, and jobs that compute at once."""

CELERY = "{bin}/celery -A %s worker -c 2 --loglevel WARNING --without-mingle --without-gossip --without-heartbeat"
NO_LEDGER = "a job is a message: no history, no state, no bound; lost with the broker's last second"


@dataclass(frozen=True)
class Peer:
    """One way to run jobs.

    environment: its requirements and virtual environment; empty: the project's own. workers: commands, one a process
    that is started. durable: a job is a row that is on the disk once it is accepted, and its end is one too.
    """

    name: str
    app: str
    environment: str
    workers: tuple[str, ...]
    durable: bool
    fast: str
    lacks: str
    variables: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[int, int] = (3, 11)


WEIR_WORKERS = ("procfile worker", "procfile upkeep", "procfile beat")
"""The whole platform but for the web: what keeps its promises works beside its jobs, and counts."""
WEIR_FAST = "none: worker (two processes), upkeep and beat as in the Procfile; LOG_LEVEL=WARNING"

WEIR = Peer("weir", "app_weir", "", WEIR_WORKERS, True, WEIR_FAST, "")
WEIR_SQLITE = Peer("weir, SQLite", "app_weir", "", WEIR_WORKERS, True, WEIR_FAST, "", {"PEER_SQLITE": "1"})

FLOORS = tuple(
    Peer(
        f"floor, {chunk}", "app_floor", "", ("{bin}/python app_floor.py",) * 2, True,
        f"{chunk} jobs a statement, prepared; dispatch, claim and settlement a commit each",
        "no queue to speak of: bare statements", {"PEER_CHUNK": str(chunk)},
    )
    for chunk in (1, 50, 200)
)  # fmt: skip

PEERS = (
    Peer(
        "celery", "app_celery", "celery", (CELERY % "app_celery",), False,
        "no results, worker_prefetch_multiplier 64, no events, gossip, mingle and heartbeat",
        f"acks before it runs: a killed worker loses what it had and fetched; {NO_LEDGER}",
    ),
    Peer(
        "celery, acks_late", "app_celery", "celery", (CELERY % "app_celery",), False,
        "as celery, and task_acks_late", f"{NO_LEDGER}; what runs longer than the visibility timeout runs twice",
        {"PEER_ACKS_LATE": "1"},
    ),
    Peer(
        "celery-results", "app_celery_results", "celery-results", (CELERY % "app_celery_results",), False,
        "worker_prefetch_multiplier 64, no events, gossip, mingle and heartbeat, persistent connections",
        "a row once a job has ended, none of one that waits; acks before it runs",
    ),
    Peer(
        "procrastinate", "app_procrastinate", "procrastinate",
        ("{bin}/procrastinate --app app_procrastinate.app worker --concurrency 10",) * 2, True,
        "async tasks, --concurrency 10 in each of two processes, LISTEN",
        "no guard by attempt: a late worker's end is taken; no bound of the queue; no row for each attempt",
    ),
    Peer(
        "pgqueuer", "app_pgqueuer", "pgqueuer",
        ("{bin}/pgq run app_pgqueuer:main --batch-size 100 --log-level WARNING",) * 2, True,
        "asyncpg, uvloop, async jobs, --batch-size 100 in each of two processes (default 10), logged tables",
        "a crash runs again what its process had fetched, up to 200 jobs; no row for each attempt, no bound",
    ),
    Peer(
        "django-tasks-db", "app_django_tasks", "django-tasks-db",
        ("{bin}/django-admin db_worker --interval 0.01 --no-startup-delay --verbosity 0",) * 2, True,
        "two db_worker, --interval 0.01 (default 1)",
        "no retries, no rescue: a task whose worker died stays RUNNING; no bound of the queue",
        {"DJANGO_SETTINGS_MODULE": "settings_django_tasks"},
    ),
    Peer(
        "django-q2", "app_django_q2", "django-q2", ("{bin}/django-admin qcluster",), True,
        "the database as broker, workers 2, bulk 50, queue_limit 100, save_limit -1, recycle 100,000, no scheduler",
        "with save_limit -1 no row of a task that has succeeded; what runs longer than retry runs twice",
        {"DJANGO_SETTINGS_MODULE": "settings_django_q2"},
    ),
    Peer(
        "dramatiq", "app_dramatiq", "dramatiq", ("{bin}/dramatiq app_dramatiq -p 2 -t 8 --skip-logging",), False,
        "no results, two processes of 8 threads (its default)", NO_LEDGER,
    ),
    Peer(
        "huey", "app_huey", "huey", ("{bin}/huey_consumer app_huey.huey -w 2 -k process -n -q",), False,
        "no results, two processes, blocking pop, no periodic tasks",
        f"popped before it runs: a killed worker loses its job; {NO_LEDGER}",
    ),
    Peer(
        "rq", "app_rq", "rq",
        ("{bin}/rq worker --quiet --url $PEER_BROKER --worker-class rq.SimpleWorker",) * 2, False,
        "SimpleWorker (no fork a job) twice, result_ttl 0",
        f"a killed worker's job is found after a minute or more, and fails if it has no retries; {NO_LEDGER}",
    ),
    Peer(
        "taskiq", "app_taskiq", "taskiq",
        ("{bin}/taskiq worker app_taskiq:broker --workers 2 --log-level WARNING",), False,
        "ListQueueBroker, async tasks, uvloop, no results, two processes of 100 tasks at once",
        f"popped before it runs: a killed worker loses up to 200 jobs; {NO_LEDGER}",
    ),
)  # fmt: skip

LEFT_OUT: Mapping[str, str] = {
    "oban": "needs Python 3.12 or newer: Weir and all others run on 3.11 here, which is what they are compared on",
}
"""Peers that were to take part, and why they do not."""

EVERYONE = (WEIR, WEIR_SQLITE, *FLOORS, *PEERS)


def named(names: str) -> list[Peer]:
    """Peers by name, comma and blank between them; raises SystemExit with the names there are."""
    known = {peer.name: peer for peer in EVERYONE}
    wanted = [name.strip() for name in names.split(";")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"expected peers among {'; '.join(known)}, got {'; '.join(unknown)}")
    return [known[name] for name in wanted]
