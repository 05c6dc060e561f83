from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jobs_app.authoring import Cancelled, DetachedContext, Discard
from tasks.kinds.images.thumbnails import Thumbnails, thumbnails
from tests.core.kinds.conftest import Put


def picture(form: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options: object) -> bytes:
    target = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(target, form, **options)
    return target.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A real PNG of a few bytes a row: one compressed run of zeros."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(width // 8 + 1)
    content = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def made(
    detached: DetachedContext, *, sizes: tuple[int, ...] = (32, 100), **options: object
) -> Callable[..., Thumbnails]:
    return lambda *pictures: thumbnails(list(pictures), sizes=list(sizes), context=detached, **options)  # type: ignore[arg-type]


def entries(detached: DetachedContext) -> dict[str, Image.Image]:
    with zipfile.ZipFile(detached.artifacts["thumbnails.zip"].path) as archive:
        assert archive.testzip() is None
        return {name: Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()}


def test_every_picture_comes_in_every_size(put: Put, detached: DetachedContext) -> None:
    result = made(detached)(put(picture(), "a.png"), put(picture("JPEG", (40, 400)), "b.jpg"))
    found = {name: (image.format, image.size) for name, image in entries(detached).items()}
    assert found == {
        "001-a-32.jpg": ("JPEG", (32, 21)),
        "001-a-100.jpg": ("JPEG", (100, 67)),
        "002-b-32.jpg": ("JPEG", (3, 32)),
        "002-b-100.jpg": ("JPEG", (10, 100)),
    }
    assert result.table.columns == ["picture", "width", "height", "bytes at 32 px", "bytes at 100 px"]
    assert [row[:3] for row in result.table.rows] == [["a.png", 300, 200], ["b.jpg", 40, 400]]
    with zipfile.ZipFile(detached.artifacts["thumbnails.zip"].path) as archive:
        assert archive.getinfo("001-a-100.jpg").file_size == result.table.rows[0][4]
    with Image.open(detached.artifacts["preview.jpg"].path) as preview:
        assert preview.format == "JPEG"
        assert preview.size == (2 * 168 + 8, 168 + 8)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
@pytest.mark.parametrize(
    ("source", "mode"),
    [("PNG", m) for m in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    + [("JPEG", m) for m in ("L", "RGB", "CMYK")]
    + [
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("TIFF", "RGB"),
        ("TIFF", "CMYK"),
        ("TIFF", "F"),
    ],
)
def test_every_mode_of_every_format_becomes_every_other(
    put: Put, detached: DetachedContext, source: str, mode: str, form: str
) -> None:
    made(detached, format=form)(put(picture(source, mode=mode)))
    assert {image.format for image in entries(detached).values()} == {form.upper()}


def test_sixteen_bits_of_grey_keep_their_tones(put: Put, detached: DetachedContext) -> None:
    target = io.BytesIO()
    Image.new("I;16", (64, 64), 0x8000).save(target, "PNG")
    made(detached, format="png")(put(target.getvalue()))
    (image, *_) = entries(detached).values()
    assert image.convert("L").getpixel((5, 5)) == 128


def test_transparency_is_kept_in_png_and_white_in_jpeg(put: Put, detached: DetachedContext) -> None:
    target = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(target, "PNG")
    made(detached, format="png", sizes=(32,))(put(target.getvalue()))
    assert next(iter(entries(detached).values())).getpixel((5, 5))[3] == 0
    made(detached, sizes=(32,))(put(target.getvalue()))
    assert next(iter(entries(detached).values())).getpixel((5, 5)) == (255, 255, 255)


def test_pictures_are_turned_upright_and_lose_their_metadata(put: Put, detached: DetachedContext) -> None:
    image = Image.new("RGB", (300, 200), "red")
    image.paste("blue", (0, 0, 300, 50))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    exif[0x010F] = "Camera of someone"
    target = io.BytesIO()
    image.save(target, "JPEG", exif=exif)
    result = made(detached, sizes=(60,))(put(target.getvalue()))
    (thumbnail,) = entries(detached).values()
    assert result.table.rows[0][1:3] == [200, 300]
    assert thumbnail.size == (40, 60)
    red, _, blue = thumbnail.getpixel((38, 30))  # the former top is at the right
    assert blue > 200 > 100 > red
    assert not thumbnail.getexif()


def test_no_name_leaves_the_archive_or_hides_another(put: Put, detached: DetachedContext) -> None:
    names = ["../../etc/passwd.png", "/abs.png", "C:\\x\\y.png", "a.png", "a.png", "", "…", "con\nsole.png", "x" * 300]
    made(detached, sizes=(32,))(*[put(picture(), name) for name in names])
    found = list(entries(detached))
    assert found[:6] == [
        "001-passwd-32.jpg",
        "002-abs-32.jpg",
        "003-y-32.jpg",
        "004-a-32.jpg",
        "005-a-32.jpg",
        "006-stored-6-it-s-32.jpg",
    ]
    assert len(set(found)) == len(names)
    assert all("/" not in name and "\\" not in name and ".." not in name and len(name) < 90 for name in found)


def test_an_animation_gives_its_first_frame(put: Put, detached: DetachedContext) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:])
    made(detached, sizes=(32,), format="png")(put(target.getvalue()))
    assert next(iter(entries(detached).values())).convert("RGB").getpixel((5, 5)) == (255, 0, 0)


def test_small_pictures_are_not_enlarged(put: Put, detached: DetachedContext) -> None:
    made(detached, sizes=(512,))(put(picture(size=(20, 10))))
    assert [image.size for image in entries(detached).values()] == [(20, 10)]


GOOD = picture("JPEG", (640, 480), quality=95)
PNG = picture(size=(400, 400))
BAD = {
    "empty": (b"", "got something else"),
    "text": (b"name,size\na,1\n", "got something else"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "got something else"),
    "PDF": (b"%PDF-1.7\n", "got something else"),
    "PSD": (b"8BPS\x00\x01" + bytes(100), "got something else"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "got something else"),
    "JPEG cut off": (GOOD[: len(GOOD) // 2], "damaged or breaks off"),
    "PNG cut off": (PNG[: len(PNG) // 2], "damaged or breaks off"),
    "PNG with a broken checksum": (PNG[:45] + b"\xff\xff" + PNG[47:], "damaged or breaks off"),
    "PNG header alone": (PNG[:33], "a damaged one"),
    "WebP cut off": (picture("WEBP")[:200], ""),
    "GIF cut off": (picture("GIF")[:200], "a damaged one"),
    "BMP cut off": (picture("BMP")[:2000], "damaged or breaks off"),
    "TIFF cut off": (picture("TIFF")[:3000], ""),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_picture_among_good_ones_is_named(put: Put, detached: DetachedContext, fault: str) -> None:
    content, said = BAD[fault]
    with pytest.raises(Discard, match=rf"^holi\?day\.png: .*{said}") as raised:
        made(detached)(put(GOOD, "good.jpg"), put(content, "holi\nday.png"), put(PNG, "fine.png"))
    assert str(detached.workspace) not in str(raised.value)
    assert not detached.artifacts


MEASURED = """
import sys, time
from pathlib import Path
from django.conf import settings
from jobs_app import conf
settings.configure(WEIR=conf.load({"SECRET_KEY": "x" * 32}))
from jobs_app.authoring import Artifact, Discard
from tasks.kinds.images.thumbnails import thumbnails
def peak():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))) // 1024
before, began = peak(), time.monotonic()
try:
    thumbnails([Artifact.local(Path(sys.argv[1]), name="wall.png")], sizes=[128])
except Discard as refusal:
    print(f"{peak() - before}|{time.monotonic() - began:.3f}|{refusal}")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
def test_a_picture_of_1600_megapixels_is_refused_quickly_and_with_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    path.write_bytes(huge_png(40_000, 40_000))
    assert path.stat().st_size < 1_000_000
    arguments = [sys.executable, "-c", MEASURED, str(path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(arguments, cwd=root, env=os.environ, capture_output=True, text=True, check=True)
    megabytes, seconds, refusal = done.stdout.split("|")
    assert int(megabytes) < 20
    assert float(seconds) < 2
    assert refusal.startswith("wall.png: expected at most 50,000,000 pixels, got far more")


@pytest.mark.parametrize(("width", "height"), [(101, 100), (200, 100), (201, 100), (30_000, 10)])
def test_the_limit_of_pixels_is_exact(
    put: Put, detached: DetachedContext, configure: Callable[..., None], width: int, height: int
) -> None:
    configure(image_pixels=10_000)
    made(detached)(put(picture(size=(100, 100))))
    with pytest.raises(Discard, match="expected at most 10,000 pixels"):
        made(detached)(put(picture(size=(width, height))))


def test_a_cancel_is_heard_between_pictures(put: Put, detached: DetachedContext) -> None:
    seen = []

    def progress(done: float, total: float = 1, message: str = "") -> None:
        seen.append(message)
        detached.stop = len(seen) == 2

    detached.progress = progress  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        made(detached)(*[put(picture(), f"{number}.png") for number in range(5)])
    assert seen == ["0.png", "1.png"]
    assert not detached.artifacts


def test_large_pictures_are_made_small_fast(put: Put, detached: DetachedContext) -> None:
    photo = picture("JPEG", (6000, 4000))
    began = time.monotonic()
    made(detached, sizes=(128, 512))(*[put(photo, f"{number}.jpg") for number in range(5)])
    assert time.monotonic() - began < 15
    assert detached.fractions == [0, 0.2, 0.4, 0.6, 0.8, 1]
