"""A pytest plugin that prepares what Django's settings read: it must run before they are loaded (``-p`` in addopts).

It gives the run a data directory, a real broker and, when asked, a real PostgreSQL; all end with the run.
``WEIR_TEST_DATABASE`` is ``sqlite`` (the default) or ``postgresql``; a given DATABASE_URL wins. ``WEIR_TEST_BROKER`` is
``valkey`` (the default), ``rabbitmq`` or ``sqs``.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

from tests.support import broker

SHORT_TIMES = {"HEARTBEAT_SECONDS": "0.5", "LEASE_SECONDS": "5", "CANCEL_GRACE_SECONDS": "1"}


def prepare() -> None:
    """Fill the environment; nothing that is set already is changed, but for what could reach real data."""
    directory = Path(tempfile.mkdtemp(prefix="weir-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    wanted = os.environ.get("WEIR_TEST_DATABASE", "sqlite")
    if wanted not in {"sqlite", "postgresql"}:
        raise SystemExit(f"expected WEIR_TEST_DATABASE to be sqlite or postgresql, got {wanted!r}")
    os.environ.update(
        SECRET_KEY="tests-" + "0" * 40,
        HTTPS="false",
        DATA_DIR=str(directory),
        KIND_MODULES=",".join(f"tests.support.kinds_of_{each}" for each in ("every_type", "lasting_work", "families")),
        WEBHOOK_PRIVATE_HOSTS="127.0.0.1",
        ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
        LOG_LEVEL="WARNING",
        **SHORT_TIMES,
    )
    # Playwright keeps an event loop in the main thread, in which Django would refuse the ORM.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    os.environ["BROKER_URL"] = broker.start(directory / "broker")
    if wanted == "postgresql" and "DATABASE_URL" not in os.environ:
        from tests.support import postgres

        os.environ["DATABASE_URL"] = postgres.start(directory / "postgres")


def listen() -> None:
    """Heed SIGINT, also in a background job of a plain shell, which has it ignored: processes started here would
    inherit that, and not stop by Ctrl-C as those do that people start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


listen()
prepare()
