"""What came out of a job, ready to draw: blocks, and its files with where to get them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs_app.reads import jobs
from jobs_app.reads.views import ArtifactView
from jobs_app.web import drawing

DRAWN_BYTES = 2_000_000
"""A larger result is not drawn but offered as a file."""

TOO_LARGE = "The result is too large to be drawn here"
REMOVED = "The result was kept as a file, which has been removed since"

PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
PICTURE_BYTES = 8_000_000
GALLERY = 24

Address = Callable[[str], str]
"""Where a file of the job is, by its name."""


@dataclass(frozen=True)
class Linked:
    """A file, and its address."""

    artifact: ArtifactView
    address: str


@dataclass(frozen=True)
class Files:
    """Files to list, and those of them to show as pictures; ``gone`` are names of files that are not kept any more."""

    all: list[Linked]
    pictures: list[Linked]
    gone: list[str] = field(default_factory=list)


def draw(result: Any, artifacts: Sequence[ArtifactView], address: Address) -> dict[str, Any]:
    """Blocks, each with the files that it names (or None), and the files that none names: as templates take them."""
    drawn = drawing.blocks(result)
    own = [Linked(each, address(each.name)) for each in artifacts if each.name != jobs.RESULT_NAME]
    named = {name for block in drawn if block.shape == "artifact" for name in block.data}
    by_name = {each.artifact.name: each for each in own}
    return {
        "blocks": [(block, _files(block, by_name)) for block in drawn],
        "other_files": _with_pictures([each for each in own if each.artifact.name not in named]),
    }


def _files(block: drawing.Block, by_name: dict[str, Linked]) -> Files | None:
    if block.shape != "artifact":
        return None
    found = [by_name[name] for name in block.data if name in by_name]
    return _with_pictures(found, gone=[name for name in block.data if name not in by_name])


def _with_pictures(files: list[Linked], gone: Sequence[str] = ()) -> Files:
    shown = [each for each in files if each.artifact.content_type in PICTURES and each.artifact.size <= PICTURE_BYTES]
    return Files(files, shown[:GALLERY], list(gone))
