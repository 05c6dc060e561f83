"""A broker that loses everything again and again while jobs wait: all end, and it never holds more than the window."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jobs_app import conf
from jobs_app.core import submission, transport
from jobs_app.errors import BrokerAway
from jobs_app.lifecycle import Outcome
from jobs_app.models import Attempt, Job, Queue
from jobs_app.models.guard import writing
from tests.support import conveyor
from tests.support.processes import Workers, eventually

QUEUE = "default"
JOBS = 300
WINDOW = 20
FLUSHES = 4
PATIENCE = 120.0


@contextmanager
def sampled() -> Iterator[list[int]]:
    """How many messages the broker counts, asked all the time beside the block."""
    depths: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.01):
            with suppress(BrokerAway):
                depths.append(transport.depth(QUEUE))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield depths
    finally:
        over.set()
        thread.join(30)


def test_three_hundred_jobs_outlast_a_broker_that_forgets_and_never_fill_it(workers: Workers) -> None:
    assert conf.current().window > WINDOW, "the queue's own window is the smaller one"
    with writing():
        Queue.objects.update_or_create(name=QUEUE, defaults={"window": WINDOW})
    ids = [submission.submit("probe.nothing", {}).id for _ in range(5)]
    with sampled() as depths:
        ids += [submission.submit("probe.nothing", {}).id for _ in range(JOBS - len(ids))]
        left = Job.objects.filter(id__in=ids).exclude(state="succeeded")
        lost = 0
        for flush in range(FLUSHES):
            mark = JOBS * (FLUSHES - flush) // (FLUSHES + 1)
            eventually(lambda mark=mark: left.count() <= mark, PATIENCE, what=f"{mark} jobs left")
            # Between two refills there may be nothing to lose.
            lost += eventually(lambda: conveyor.purge(QUEUE) or not left.exists(), PATIENCE, what="messages to lose")
        eventually(lambda: not left.exists(), PATIENCE, what="every job to succeed")
    assert lost > 0, "something was lost indeed"
    tried = Counter(Attempt.objects.filter(job__in=ids).values_list("outcome", flat=True))
    # On a loaded machine a worker may stand still for longer than its lease; nothing else has a job tried once more.
    assert tried.pop(Outcome.SUCCEEDED) == JOBS
    assert set(tried) <= {Outcome.LOST}, tried
    assert depths
    assert 0 < max(depths) <= WINDOW, f"the broker held {max(depths)} messages, its window is {WINDOW}"
