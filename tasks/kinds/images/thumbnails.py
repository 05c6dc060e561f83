"""`images.thumbnails`: small copies of pictures, in several sizes, in one archive."""

from __future__ import annotations

import re
import zipfile
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import Artifact, ArtifactLink, Backoff, JobContext, Table, job
from tasks.kinds.images import pictures as reading

Size = Annotated[int, Field(ge=16, le=2048)]
ENDINGS = {"jpeg": "jpg", "png": "png", "webp": "webp"}
CELL = 160


class Thumbnails(BaseModel):
    """A row for each picture, the archive of all thumbnails, and a sheet that shows them."""

    model_config = ConfigDict(frozen=True)

    table: Table
    archive: ArtifactLink
    preview: ArtifactLink


@job("images.thumbnails", timeout=timedelta(minutes=15), retry=Backoff(max_attempts=3))
def thumbnails(
    pictures: Annotated[
        list[Artifact], Field(min_length=1, max_length=100, description="PNG, JPEG, WebP, GIF, BMP or TIFF files.")
    ],
    *,
    sizes: Annotated[
        list[Size],
        Field(
            default_factory=lambda: [128, 512],
            min_length=1,
            max_length=8,
            description="Pixels along the longer side; no picture is enlarged.",
        ),
    ],
    format: Annotated[Literal["jpeg", "png", "webp"], Field(description="Of the thumbnails.")] = "jpeg",  # noqa: A002
    quality: Annotated[int, Field(ge=1, le=95, description="For JPEG and WebP: 1 is small, 95 is fine.")] = 85,
    context: JobContext,
) -> Thumbnails:
    """Make thumbnails of pictures in several sizes, as one ZIP archive.

    Pictures are turned upright and stripped of their metadata; of an animation the first frame is used. One bad
    picture fails the job and is named: nothing is left out in silence.
    """
    wanted = sorted(set(sizes))
    archive = context.workspace / "thumbnails.zip"
    rows = []
    cells = []
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for number, artifact in enumerate(pictures, start=1):
            context.check()
            context.progress(number - 1, len(pictures), reading.readable(artifact.name))
            picture = reading.read(artifact, wanted[-1])
            lengths = []
            for size in wanted:
                content = reading.encoded(reading.scaled(picture.image, size), format, quality)
                target.writestr(f"{entry(number, picture.name)}-{size}.{ENDINGS[format]}", content)
                lengths.append(len(content))
            rows.append([picture.name, picture.width, picture.height, *lengths])
            cells.append(reading.flat(reading.scaled(picture.image, CELL)))
    context.save_artifact(archive.name, archive, "application/zip")
    preview = reading.encoded(reading.sheet(cells, CELL), "jpeg", 85)
    context.save_artifact("preview.jpg", preview, "image/jpeg")
    context.progress(1, 1, f"{len(pictures)} pictures in {len(wanted)} sizes")
    return Thumbnails(
        table=Table(
            title="Thumbnails",
            columns=["picture", "width", "height", *(f"bytes at {size} px" for size in wanted)],
            rows=rows,
            total_rows=len(rows),
        ),
        archive=ArtifactLink(name=archive.name),
        preview=ArtifactLink(name="preview.jpg"),
    )


def entry(number: int, name: str) -> str:
    """The beginning of a name in the archive: unique by its number, and no path whatever the picture is called."""
    stem = re.split(r"[/\\]", name)[-1].rpartition(".")[0] or name
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:60]
    return f"{number:03d}-{plain or 'picture'}"
