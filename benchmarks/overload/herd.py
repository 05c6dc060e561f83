"""Many clients that are refused at the same moment and do as they are told: ``python -m benchmarks.overload.herd``.

The worker works on a long queue until its pace is known; then the queue is filled to its limit and the crowd comes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter

from benchmarks.overload.options import options, tell

# isort: split
from benchmarks import figures, ground

# isort: split
from benchmarks.overload import backlog
from jobs_app.core import transport
from jobs_app.models import Job
from jobs_app.platform.ports import HOST, Reservation
from jobs_app.platform.processes import tether

KIND = "load.middle"
BACKLOG = 0.95
MEASURED_SECONDS = 12.0
"""How long the worker works before anybody comes, so that its pace is known."""
PATIENCE = 600.0


def main() -> None:
    """Fill, let them come, tell."""
    settings = ground.settings()
    # This program submits only: it must not fill the window too.
    transport.publisher.work = None
    texts = [backlog.token(f"client {number}") for number in range(ground.scaled(options.herd, 20))]
    backlog.put_in(KIND, round(ground.scaled(options.limit, 20) * BACKLOG))
    reservation = Reservation(0)
    ground.ready("web", PORT=str(reservation.port))
    for name in ("upkeep", "beat"):
        ground.ready(name)
    ground.worker("worker", options.slots)
    url = f"http://{HOST}:{reservation.port}"
    crowd = _crowd(url, texts)
    backlog.warm(url, texts[0])
    began = time.monotonic()
    ground.wait(lambda: time.monotonic() > began + MEASURED_SECONDS, 60, "the worker's pace to be known")
    backlog.fill(KIND, options.limit)
    requests = _come(crowd)
    jobs = Job.objects.filter(owner__isnull=False).count()
    tell({"settings": settings, "clients": len(texts), **_count(requests), "jobs": jobs})


def _crowd(url: str, texts: list[str]) -> subprocess.Popen[str]:
    """The crowd, ready to come."""
    command = [
        *tether(),
        sys.executable,
        "-m",
        "benchmarks.overload.crowd",
        url,
        KIND,
        str(ground.directory / "crowd.json"),
    ]
    crowd = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert crowd.stdin is not None
    assert crowd.stdout is not None
    crowd.stdin.write("\n".join(texts) + "\n\n")
    crowd.stdin.flush()
    if crowd.stdout.readline() != "ready\n":
        sys.exit("expected the crowd to be ready, and it ended")
    return crowd


def _come(crowd: subprocess.Popen[str]) -> list[list[tuple[float, float, int, str | None]]]:
    figures.say("the crowd comes")
    crowd.communicate("go\n", timeout=PATIENCE)
    if crowd.returncode:
        sys.exit(f"expected each of the crowd to be admitted in the end, and it ended with {crowd.returncode}")
    return list(json.loads((ground.directory / "crowd.json").read_text()))


def _count(requests: list[list[tuple[float, float, int, str | None]]]) -> dict[str, object]:
    """What the checks need. ``retries``: arrivals after the first, in seconds since the first refusal."""
    refused = [each for each in requests if each[0][2] == 503]
    since = min((each[0][1] for each in refused), default=0.0)
    return {
        "refused": len(refused),
        "second": sum(len(each) > 1 and each[1][2] == 202 for each in refused),
        "admitted": sum(each[-1][2] == 202 for each in requests),
        "tries": Counter(len(each) for each in requests),
        "statuses": Counter(status for each in requests for _, _, status, _ in each),
        "retry_after": Counter(each[0][3] for each in refused),
        "retries": sorted(round(sent - since, 3) for each in refused for sent, *_ in each[1:]),
    }


if __name__ == "__main__":
    main()
