"""RQ: a list of ids, and a hash for each job."""

import control
import counting
from redis_lists import OnRedis
from rq import Queue
from rq.registry import StartedJobRegistry

KINDS = {"noop": counting.count, "compute": counting.compute}


class App(OnRedis):
    """The queue, and those that were started."""

    def __init__(self):
        super().__init__()
        self._queue = Queue(connection=self.redis)

    def load(self, kind, count):
        """In batches, as documented for many jobs."""
        for size in control.batches(count, 1000):
            self._queue.enqueue_many([Queue.prepare_data(KINDS[kind], result_ttl=0) for _ in range(size)])

    def submit(self, kind):
        """As an application does, without a result."""
        self._queue.enqueue(KINDS[kind], result_ttl=0)

    def remaining(self):
        """What waits or was started."""
        return len(self._queue) + len(StartedJobRegistry(queue=self._queue))
