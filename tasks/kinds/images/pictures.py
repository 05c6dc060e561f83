"""Reading pictures that anyone may have sent: known formats only, bounded before anything is decoded."""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from jobs_app import conf
from jobs_app.authoring import Artifact, Discard

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow opens over forty formats; these are what people send, and each further one is a way in."""

LARGEST_BYTES = 268_435_456
"""Some decoders hold the whole file in memory."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    LookupError,
    TypeError,
    ArithmeticError,
)
"""What Pillow's decoders raise on damaged files."""

ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Picture:
    """A picture in memory: upright, RGB or RGBA, no larger than needed. ``width`` and ``height``: as it was sent."""

    name: str
    image: Image.Image
    width: int
    height: int


def readable(name: str) -> str:
    """A file's name as messages show it."""
    return "".join(each if each.isprintable() else "?" for each in name)[:100] or "a picture"


def read(artifact: Artifact, needed: int) -> Picture:
    """The first frame of a picture, at least ``needed`` pixels along its longer side if it has them.

    Raises Discard, naming the picture, if it is too large, damaged or of another format.
    """
    name = readable(artifact.name)
    limit = conf.current().image_pixels
    if artifact.path.stat().st_size > LARGEST_BYTES:
        raise Discard(f"{name}: expected a picture of at most {LARGEST_BYTES // 2**20} MB, got a larger one")
    # Pillow's own guard, for formats that hold pictures within pictures. Its warning is as good a reason as its error.
    Image.MAX_IMAGE_PIXELS = limit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(artifact.path, formats=FORMATS) as image:
                _check_size(*image.size, limit, name)
                return _upright(image, needed, name)
    except UnidentifiedImageError:
        raise Discard(
            f"{name}: expected a PNG, JPEG, WebP, GIF, BMP or TIFF picture, got something else or a damaged one"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Discard(f"{name}: expected at most {limit:,} pixels, got far more. Send a smaller one") from error
    except BROKEN as error:
        raise Discard(f"{name}: the picture is damaged or breaks off before its end. Send it again") from error


def _check_size(width: int, height: int, limit: int, name: str) -> None:
    if width * height > limit:
        raise Discard(f"{name}: expected at most {limit:,} pixels, got {width:,} by {height:,}. Send a smaller one")


def _upright(image: Image.Image, needed: int, name: str) -> Picture:
    width, height = image.size
    if image.getexif().get(ORIENTATION) in SIDEWAYS:
        width, height = height, width
    bounds = (2 * needed, 2 * needed)  # twice, so that the last step down is a good one
    image.draft(None, bounds)  # a JPEG can be decoded at a fraction of its size
    small = _smooth(image)
    small.thumbnail(bounds)
    small = ImageOps.exif_transpose(small)
    small = small.convert("RGBA" if small.has_transparency_data else "RGB")
    return Picture(name, small, width, height)


def _smooth(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: no palette, no 16 bits a channel (which convert() would clip)."""
    if image.mode in {"1", "P", "PA"}:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image


def scaled(image: Image.Image, size: int) -> Image.Image:
    """A copy that fits in a square of ``size`` pixels; a smaller picture keeps its size."""
    copy = image.copy()
    copy.thumbnail((size, size), Image.Resampling.LANCZOS)
    return copy


def flat(image: Image.Image) -> Image.Image:
    """The picture without transparency, on white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def encoded(image: Image.Image, form: str, quality: int) -> bytes:
    """The picture as a file. Nothing of the original's metadata (place, camera, owner) is in it."""
    target = io.BytesIO()
    clean = Image.new(image.mode, image.size)
    clean.paste(image)
    if form == "jpeg":
        flat(clean).save(target, "JPEG", quality=quality, optimize=True)
    else:
        clean.save(target, form.upper(), quality=quality, optimize=True)
    return target.getvalue()


def sheet(images: Sequence[Image.Image], cell: int = 160, margin: int = 8) -> Image.Image:
    """All pictures on one sheet, in rows."""
    columns = min(10, math.ceil(math.sqrt(len(images))))
    rows = math.ceil(len(images) / columns)
    step = cell + margin
    ground = Image.new("RGB", (columns * step + margin, rows * step + margin), "white")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left = margin + column * step + (cell - image.width) // 2
        top = margin + row * step + (cell - image.height) // 2
        ground.paste(image, (left, top))
    return ground
