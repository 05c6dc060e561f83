"""Flower's settings; Flower runs this file, because ``project.celery`` names it in FLOWER_CONF.

Closed by default: loopback, a password or no start, metrics behind the same password, and looking only (a worker is
stopped by whoever runs it, a job is cancelled in Weir). Only /healthcheck answers everybody: it says OK and no more.
"""

from __future__ import annotations

import os
import re
import sys

from flower.urls import handlers
from flower.views.monitor import Metrics
from tornado.options import options
from tornado.web import authenticated

LOGIN = re.compile(r"[^:\s]+:\S+")

# The command line and FLOWER_BASIC_AUTH have been read by now.
if not options.basic_auth:
    sys.exit("expected FLOWER_BASIC_AUTH=user:password, got none")
if not all(LOGIN.fullmatch(each) for each in options.basic_auth):
    sys.exit("expected FLOWER_BASIC_AUTH=user:password, got something else (not shown: it may hold a password)")


class ClosedMetrics(Metrics):  # type: ignore[misc]  # Flower has no types
    """Metrics for those who may see the rest: they name workers and kinds."""

    @authenticated
    async def get(self) -> None:
        """As Flower gives them."""
        await super().get()


# In the list that Flower is about to use. A Flower that has no such route any more does not start.
handlers[handlers.index((r"/metrics", Metrics))] = (r"/metrics", ClosedMetrics)

address = options.address or "127.0.0.1"
max_tasks = int(os.environ.get("FLOWER_MAX_TASKS") or 10_000)
persistent = False  # its file would be a pickle
purge_offline_workers = int(os.environ.get("FLOWER_PURGE_OFFLINE_WORKERS") or 300)
read_only = os.environ.get("FLOWER_READ_ONLY", "true").lower() != "false"
url_prefix = "flower"  # where the site shows it: Flower's own links and files are then below that
tasks_columns = "name,uuid,args,state,received,runtime,worker"
