"""Start the platform, fill it, open every page in Chromium, and keep what is seen in docs/images/console.

``python -m tests.pictures [NAME …]`` makes those alone whose names are given. ``--empty`` shows a new installation
instead, in light colours, and keeps it in var/pictures-empty: to be looked at, not for the docs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

from jobs_app.platform import demo_data
from jobs_app.platform.demo_client import Api
from jobs_app.platform.running import ROOT, Platform, running
from jobs_app.platform.signals import Signals
from jobs_app.platform.waiting import until
from tests.pictures.shots import EMPTY, SHOTS, Shot
from tests.support.chromium import FLAGS, chromium

FOLDER = ROOT / "docs" / "images" / "console"
EMPTY_FOLDER = ROOT / "var" / "pictures-empty"
PACKAGES = ROOT / "var" / "demo-data"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 780}
COLOURS, RARE = 256, 56
SETTLED = 500
"""Milliseconds in which charts are drawn, and the parts that a page asks for come."""

HIGHEST = 2400
"""Pixels."""

PATIENCE = 180.0
"""Seconds; the machine may be busy."""

SHOP = {
    "KIND_MODULES": "tests.pictures.kinds",
    "QUEUES": "default,documents,mail,media",
    "WORKER_CONCURRENCY": "4",
    "STOP_GRACE_SECONDS": "1",
}
NOWHERE = "redis://127.0.0.1:1/0"
MEDIA = ["-n", "media@%h", "-Q", "media", "--concurrency", "2", "--without-mingle", "--without-gossip"]


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--empty", action="store_true")
    told = parser.parse_args()
    if chromium() is None:
        print("expected Chromium, found none (install it, such as: apt-get install chromium)", file=sys.stderr)
        return 1
    taken = _empty(told.names) if told.empty else _all(told.names)
    for kept in taken:
        print(f"{kept.stem}: {kept.stat().st_size // 1024} KiB", flush=True)
    return 0


def _all(wanted: list[str]) -> Iterator[Path]:
    names = [name for name in SHOTS if not wanted or name in wanted]
    with TemporaryDirectory(prefix="weir-pictures-") as directory, _shop(directory) as (platform, world):
        for scheme, size, suffix in (("light", DESK, "light"), ("dark", DESK, "dark"), ("light", PHONE, "phone")):
            options = {"color_scheme": scheme, "viewport": size}
            yield from _pictures(platform.environment.url, world, names, FOLDER, suffix, options)


def _empty(wanted: list[str]) -> Iterator[Path]:
    names = [name for name in EMPTY if not wanted or name in wanted]
    with TemporaryDirectory(prefix="weir-pictures-") as directory, Signals() as signals:
        given = {**_outside(), "DATA_DIR": directory}
        with running("pictures", Console(), signals, given=given) as platform:
            [session] = platform.manage.run(["shell", "-v", "0", "-c", LOGGED_IN])
            world = {"sessions": {"ada": session.split()[-1]}}
            yield from _pictures(
                platform.environment.url,
                world,
                names,
                EMPTY_FOLDER,
                "empty",
                {"color_scheme": "light", "viewport": DESK},
            )


LOGGED_IN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.create_superuser("ada"))
print(client.cookies["sessionid"].value)
"""


def _outside() -> dict[str, str]:
    """The environment of this process, without a ledger or a broker of somebody else's."""
    return {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "BROKER_URL")}


@contextmanager
def _shop(directory: str) -> Iterator[tuple[Platform, dict[str, Any]]]:
    """The platform with a ledger that was filled before it starts, and a second worker."""
    given = {**_outside(), **SHOP, "DATA_DIR": directory, "SECRET_KEY": secrets.token_urlsafe(48)}
    before = {**given, "BROKER_URL": NOWHERE, "DEBUG": "false", "HTTPS": "false", "ALLOWED_HOSTS": "127.0.0.1"}
    subprocess.run([sys.executable, "manage.py", "setup"], cwd=ROOT, env=before, check=True, stdout=subprocess.DEVNULL)
    filled = _said([sys.executable, "-m", "tests.pictures.filling"], before)
    world: dict[str, Any] = json.loads(filled.splitlines()[-1])
    with Signals() as signals, running("pictures", Console(), signals, given=given) as platform:
        command = [sys.executable, "-m", "celery", "-A", "project", "worker", *MEDIA]
        log = (Path(directory) / "logs" / "media.log").open("wb")
        worker = subprocess.Popen(
            command, cwd=ROOT, env=dict(platform.environment.variables), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _lived(platform, world)
            yield platform, world
        finally:
            worker.terminate()
            worker.wait(60)
            log.close()


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _lived(platform: Platform, world: dict[str, Any]) -> None:
    """Run a job on real data over the API, and act on many jobs; wait for what goes on to be well on its way."""
    data = demo_data.gather(PACKAGES, platform.data_dir / "demo")
    with Api(platform.environment.url, platform.manage.token("ada")) as api:
        flights = api.upload(data.files[0], lambda _: None)["id"]
        summary = {"dataset": flights, "group_by": demo_data.GROUP_BY, "measure": demo_data.MEASURE}
        world["aggregated"] = api.submit("datasets.aggregate", summary)["id"]
        _until(lambda: api.job(world["aggregated"])["final"])
        for name, action, search in (
            ("bulk_running", "rerun", "state:succeeded kind:mail.digest"),
            ("bulk_done", "retry", "state:failed kind:orders.sync since:12h"),
        ):
            world[name] = api.send("POST", "/api/jobs/bulk-actions", 202, json={"action": action, "query": search})[
                "id"
            ]
        _until(lambda: api.job(world["bulk_done"])["final"])
        for number in range(4):
            api.submit("invoices.render", {"order": 51_207 + 31 * number, "language": ("en", "nb", "de")[number % 3]})
            api.submit("orders.sync", {"shop": ("Oslo", "Bergen", "online")[number % 3], "since": "2026-11-01"})
        _until(lambda: api.job(world["bulk_running"])["progress"]["fraction"])
        _until(lambda: api.job(world["running"])["progress"]["fraction"])
        _until(lambda: api.job(world["family"])["state"] == "blocked")
        _until(lambda: _counted(api))


def _until(found: Any) -> None:
    assert until(found, PATIENCE, pause=1), "what was awaited did not come"


def _counted(api: Api) -> bool:
    """Whether upkeep has counted the last job for the statistics."""
    found = api.send("GET", "/api/statistics?step=minute", 200)
    return any(point["succeeded"] for point in found["points"][-3:])


def _pictures(
    site: str, world: dict[str, Any], names: Iterable[str], folder: Path, suffix: str, options: dict[str, Any]
) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name in names:
            shot = SHOTS[name]
            page = _page(browser, site, world["sessions"].get(shot.who, ""), **options)
            page.goto(shot.address.format_map(world))
            if shot.act is not None and folder == FOLDER:
                shot.act(page)
            yield _kept(page, shot, folder / f"{name}-{suffix}.png")
            page.context.close()
        browser.close()


def _page(browser: Browser, site: str, session: str, **options: Any) -> Page:
    context = browser.new_context(base_url=site, reduced_motion="reduce", **options)
    if session:
        context.add_cookies([{"name": "sessionid", "value": session, "url": site}])
    return context.new_page()


def _kept(page: Page, shot: Shot, path: Path) -> Path:
    """The page, in few colours: it is small then, and looks the same."""
    page.wait_for_timeout(SETTLED)
    if shot.whole:
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": page.viewport_size["width"], "height": min(max(height, 600), HIGHEST)})
        page.wait_for_timeout(SETTLED)
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    seen.quantize(palette=_palette(seen), dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _palette(seen: Image.Image) -> Image.Image:
    """The colours that are there most, as they are, and some that stand for the rest: thin curves keep theirs too."""
    counted = seen.getcolors(seen.width * seen.height) or []
    most = [part for _, colour in sorted(counted, reverse=True)[: COLOURS - RARE] for part in colour]
    rare = seen.quantize(RARE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette() or []
    held = Image.new("P", (1, 1))
    held.putpalette([*most, *rare[: 3 * RARE]])
    return held


if __name__ == "__main__":
    sys.exit(main())
