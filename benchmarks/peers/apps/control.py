"""What the driver asks of a peer, in the peer's own virtual environment: ``python control.py MODULE``.

One JSON list a line comes in, ``[verb, argument, ...]``; one JSON value a line goes out. ``MODULE`` has a class
``App``.
"""

import contextlib
import importlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from counting import VARIABLE, Tally

DATABASE = os.environ.get("PEER_DATABASE", "")
"""``postgres://…``: a database of this peer's own."""
BROKER = os.environ.get("PEER_BROKER", "")
"""``redis://…``: a numbered database of this peer's own."""

BATCH = 5000
PATIENCE = 20.0
PAUSE = 0.03, 0.09
"""Between two trials of an idle worker, in seconds: at random, so that no polling falls in step."""


class Base:
    """A peer. Its kinds are ``noop`` and ``compute``."""

    def prepare(self) -> None:
        """Make tables and the like, once."""

    def clear(self) -> None:
        """Forget all jobs."""
        raise NotImplementedError

    def load(self, kind: str, count: int) -> None:
        """Have so many jobs wait: by the quickest way there is, which is not measured."""
        raise NotImplementedError

    def submit(self, kind: str) -> None:
        """Submit one job, as an application would."""
        raise NotImplementedError

    def remaining(self) -> int:
        """How many jobs are neither ended nor forgotten."""
        raise NotImplementedError

    def chunk(self) -> float:
        """How many jobs went with one message or claim, on average; 1 where there is no such thing."""
        return 1.0

    def learnt(self) -> bool:
        """Whether the peer knows as much of its jobs as where it has been in use for a while."""
        return True

    def submit_for(self, kind: str, seconds: float) -> int:
        """Submit one job after the other for so long; returns how many."""
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            self.submit(kind)
            count += 1
        return count

    def pickup(self, trials: int) -> list[float]:
        """Seconds from before a submission to the start of its job, each time with everything idle before."""
        tally, found, pause = Tally(Path(os.environ[VARIABLE])), [], threading.Event()
        for _ in range(trials):
            pause.wait(random.uniform(*PAUSE))
            before, began = tally.read()[0], time.monotonic()
            self.submit("noop")
            while tally.read()[0] == before:
                if time.monotonic() - began > PATIENCE:
                    raise SystemExit(f"expected a job to start within {PATIENCE:g} s")
                pause.wait(0.0005)
            found.append(tally.read()[1] - began)
        return found


def batches(count: int, size: int = BATCH) -> Iterator[int]:
    """The sizes of batches that make up ``count``."""
    for first in range(0, count, size):
        yield min(size, count - first)


def serve(app: Base) -> None:
    """Answer until the input ends. What the peer prints goes to the log."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        call: Callable[..., object] = getattr(app, verb)
        answers.write(json.dumps(call(*arguments)) + "\n")
        answers.flush()


if __name__ == "__main__":
    module = importlib.import_module(sys.argv[1])
    with contextlib.suppress(KeyboardInterrupt):
        serve(module.App())
