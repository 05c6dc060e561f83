"""The client stands alone: without Django, without the rest of Weir."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import ROOT

PROGRAM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        allowed = name in ("jobs_app", "jobs_app.client") or name.startswith("jobs_app.client.")
        if name.partition(".")[0] in ("django", "celery", "pydantic", "ninja", "project", "tasks"):
            raise AssertionError("imported " + name)
        if name.partition(".")[0] == "jobs_app" and not allowed:
            raise AssertionError("imported " + name)

sys.meta_path.insert(0, Refuse())
from jobs_app.client import AsyncClient, Client, ClientError, Unreachable

with Client("http://127.0.0.1:9", "weir_x", patience=0) as weir:
    try:
        weir.submit("system.echo", {"text": "hello"})
    except Unreachable as error:
        print("unreachable", error.status)
"""


def test_it_is_imported_and_used_without_django_and_the_rest_of_weir() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("unreachable None", "")
