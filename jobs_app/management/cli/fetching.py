"""``jobs fetch``: save what a job made."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs_app import conf
from jobs_app.errors import Conflict, NotFound
from jobs_app.lifecycle import State
from jobs_app.management.cli import calls, parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.management.cli.saving import Folder, Saved
from jobs_app.reads import files, jobs
from jobs_app.reads.views import ArtifactView, JobView

HELP = "Save the files a job made, and its result as result.json."

CHUNK = 1 << 20
OTHER_RESULT_NAME = "result.returned.json"
"""The result's name when the handler itself saved a file called result.json."""


@dataclass(frozen=True)
class Wanted:
    """One file to save; ``sha256`` is empty where the ledger keeps none (a result in the job's row)."""

    name: str
    sha256: str
    chunks: Callable[[], Iterable[bytes]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs fetch ID [NAME…]``."""
    parser.add_argument("job", metavar="ID", help="The job's id, or its first digits.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="Files to save (default: all).")
    parser.add_argument(
        "--output", metavar="DIR", type=Path,
        help="Folder to save in, made if need be (default: one named after the job).",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="Replace files that exist.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Save the files; none is written if one of them would replace another."""
    job = jobs.job(call.user, calls.job_id(call.user, call.options["job"]))
    wanted = _chosen(_offered(call, job), call.options["names"], job)
    folder = Folder(call.options["output"] or Path(str(job.id)))
    folder.prepare([each.name for each in wanted], force=call.options["force"])
    saved: list[Saved] = []
    for each in wanted:
        saved.append(folder.save(each.name, each.chunks(), sha256=each.sha256, force=call.options["force"]))
        call.output.line(str(saved[-1].path))
    if call.output.as_json:
        call.output.document({"job": job.id, "directory": str(folder.path), "files": saved})
    return Exit.OK


def _offered(call: Call, job: JobView) -> list[Wanted]:
    made = jobs.artifacts_of(call.user, job.id)
    offered = [Wanted(each.name, each.sha256, _content_of(call, each)) for each in made]
    kept_in_row = job.result_bytes <= conf.current().result_inline_bytes
    if job.state is State.SUCCEEDED and (kept_in_row or all(each.name != jobs.RESULT_NAME for each in made)):
        taken = any(each.name == jobs.RESULT_NAME for each in made)
        offered.append(Wanted(OTHER_RESULT_NAME if taken else jobs.RESULT_NAME, "", lambda: _result_of(call, job)))
    return offered


def _chosen(offered: list[Wanted], names: list[str], job: JobView) -> list[Wanted]:
    if not offered:
        raise Conflict(f"expected a job that has made files or a result, and this one is {job.state.value} without any")
    by_name = {each.name: each for each in offered}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise NotFound(f"expected one of {', '.join(by_name)}, got {missing[0][:100]!r}")
    return [by_name[name] for name in dict.fromkeys(names)] if names else offered


def _content_of(call: Call, artifact: ArtifactView) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        with files.artifact(call.user, artifact.id).path.open("rb") as source:
            while chunk := source.read(CHUNK):
                yield chunk

    return chunks


def _result_of(call: Call, job: JobView) -> Iterator[bytes]:
    yield json.dumps(jobs.result(call.user, job.id), indent=2, ensure_ascii=False).encode() + b"\n"
